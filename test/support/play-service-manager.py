"""Plays systemd's side of sd_notify(3): a unix datagram socket at the path that is given.

Prints each message as a line of JSON: what it says, when it came on CLOCK_MONOTONIC, and who sent it, as the kernel tells.
"""

import array, json, os, socket, struct, sys, time

end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
end.bind(sys.argv[1])
print(json.dumps({"said": {}, "at_us": 0, "pid": 0}), flush=True)
while True:
    text, ancillary, _, _ = end.recvmsg(4096, 4096)
    at_us, pid = time.monotonic_ns() // 1000, 0
    for _, kind, data in ancillary:
        if kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("iII", data)[0]
        if kind == socket.SCM_RIGHTS:
            # A barrier: whoever sent it waits until all before it has been read.
            files = array.array("i")
            files.frombytes(data[: len(data) - len(data) % files.itemsize])
            for file in files:
                os.close(file)
    said = dict(line.split("=", 1) for line in text.decode().splitlines())
    if "BARRIER" not in said:
        print(json.dumps({"said": said, "at_us": at_us, "pid": pid}), flush=True)
