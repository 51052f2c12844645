"""A receiver of OTLP over HTTP, as a collector is one."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def receiver(logs=None):
    """A collector: the address it has, and the bodies of traces that it was sent.

    With `logs` those of logs are taken, too, and added there.
    """
    bodies = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            taken = {"/v1/traces": bodies, "/v1/logs": logs}[self.path]
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
