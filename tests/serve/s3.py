"""An S3 server on a free port of the loopback address, until standard input ends.

Prints its port. The bucket is named `tables`.
"""

import logging
import sys
import urllib.request

from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
request = urllib.request.Request(f"http://127.0.0.1:{port}/tables", method="PUT")
request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request")
urllib.request.urlopen(request)
print(port, flush=True)
sys.stdin.read()
server.stop()
