"""Connects to each URL of standard input (JSON lines) with psycopg2, and tells as JSON what it came to."""
import json
import os
import sys

import psycopg2

FACTS = sys.argv[1]
for line in sys.stdin:
    case = json.loads(line)
    os.environ.update(case["env"])
    try:
        connection = psycopg2.connect(case["url"])
        cursor = connection.cursor()
        cursor.execute(FACTS)
        print(json.dumps({"facts": cursor.fetchone()[0]}))
        connection.close()
    except Exception as error:
        print(json.dumps({"error": str(error).splitlines()[0]}))
    for name in case["env"]:
        del os.environ[name]
