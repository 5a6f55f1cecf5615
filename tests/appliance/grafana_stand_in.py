"""Stands in for Grafana where none is to be had: it uses what Grafana is given, and shows nothing.

It answers some of Grafana's questions: is it well, which data sources are there, does one answer,
and which folders have been made? All but the first take the admin's password; InfluxDB is asked
with the token that may only read; folders are kept in a SQLite database like Grafana's, in use.
"""

import base64
import json
import signal
import sqlite3
import sys
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

SECRETS = Path("/run/secrets")
INFLUXDB = "http://influxdb:8086/query?"
DATABASE = sqlite3.connect("/var/lib/grafana/grafana.db", isolation_level=None)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/api/health":
            return self.answer(200, {"database": "ok"})
        if not self.is_admin():
            return self.answer(401, {})
        if self.path == "/api/datasources":
            return self.answer(200, [{"uid": "influxdb", "name": "InfluxDB"}])
        if self.path == "/api/folders":
            found = DATABASE.execute("SELECT title FROM folder")
            return self.answer(200, [{"title": title} for (title,) in found])
        return self.answer(200, {"status": "OK", "measurements": measurements()})

    def do_POST(self):
        if not self.is_admin():
            return self.answer(401, {})
        folder = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        DATABASE.execute("INSERT INTO folder VALUES (?)", [folder["title"]])
        return self.answer(200, folder)

    def is_admin(self):
        password = (SECRETS / "grafana-admin").read_text().strip()
        login = base64.b64encode(f"admin:{password}".encode()).decode()
        return self.headers["Authorization"] == f"Basic {login}"

    def answer(self, status, document):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())


def measurements():
    fields = urllib.parse.urlencode({"db": "energy", "q": "SHOW MEASUREMENTS"})
    token = (SECRETS / "influxdb-read-token").read_text().strip()
    request = urllib.request.Request(INFLUXDB + fields, headers={"Authorization": f"Token {token}"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    DATABASE.execute("PRAGMA journal_mode=WAL")
    DATABASE.execute("CREATE TABLE IF NOT EXISTS folder (title)")
    HTTPServer(("", 3000), Answers).serve_forever()
