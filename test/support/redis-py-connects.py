"""Connects to each URL of standard input (JSON lines) with redis-py, and tells as JSON what it came to."""
import json
import sys

import redis

for line in sys.stdin:
    case = json.loads(line)
    try:
        if case["cluster"]:
            redis.RedisCluster.from_url(case["url"], socket_timeout=3).ping()
            print(json.dumps({"facts": {}}))
        else:
            options = {} if "socket_timeout" in case["url"] else {"socket_timeout": 3}
            client = redis.Redis.from_url(case["url"], **options)
            info = client.execute_command("CLIENT", "INFO").decode()
            pairs = dict(pair.split("=", 1) for pair in info.strip().split(" "))
            facts = {"user": pairs["user"], "db": pairs["db"], "at": pairs["laddr"]}
            print(json.dumps({"facts": facts}))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
    sys.stdout.flush()
