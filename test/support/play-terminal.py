"""A terminal for a program, played from outside: what is typed, and what is waited for on the screen.

Reads {"argv", "env", "columns", "steps": [{"send", "until"}]} from stdin as JSON. Prints a list with what came out for
each step, up to and with the text that was waited for. Ends with 1 where a text did not come.
"""

import fcntl, json, os, pty, re, select, signal, struct, sys, termios, time

# Only bounds a shell that hangs.
LIMIT_SECONDS = 20

task = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    os.execve(task["argv"][0], task["argv"], task["env"])
size = struct.pack("HHHH", 50, task.get("columns", 100), 0, 0)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)

screens, seen, code = [], "", 0
for step in task["steps"]:
    os.write(terminal, step["send"].encode())
    limit = time.monotonic() + LIMIT_SECONDS
    while not (found := re.search(step["until"], seen)):
        ready, _, _ = select.select([terminal], [], [], max(0, limit - time.monotonic()))
        try:
            part = os.read(terminal, 65536) if ready else b""
        except OSError:
            part = b""
        if not part:
            code = 1
            break
        # Colours, cursor movements and titles are no text.
        text = part.decode(errors="replace")
        seen += re.sub(r"\x1b(\[[0-9;?>=<]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>78Mk])", "", text)
    if code:
        screens.append(seen)
        break
    screens.append(seen[: found.end()])
    seen = seen[found.end() :]
os.kill(pid, signal.SIGKILL)
print(json.dumps(screens))
sys.exit(code)
