"""Azurite (npm), a server of Azure's blobs, on a free port of the loopback address, until standard input ends.

    python azure.py AZURITE_BLOB

Prints its port. The container is named `tables`.
"""

import base64
import email.utils
import hashlib
import hmac
import subprocess
import sys
import threading
import urllib.request

# Azurite's own, which every client of it knows.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2021-12-02"

options = ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--blobPort", "0"]
azurite = subprocess.Popen([sys.argv[1], *options], stdout=subprocess.PIPE, text=True)
try:
    url = next(line.split()[-1] for line in azurite.stdout if "successfully listens" in line)
    # It says something of every request, and ends where nobody hears it.
    threading.Thread(target=azurite.stdout.read, daemon=True).start()
    date = email.utils.formatdate(usegmt=True)
    signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{VERSION}\n"
    signed += f"/{ACCOUNT}/{ACCOUNT}/tables\nrestype:container"
    digest = hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)
    request = urllib.request.Request(f"{url}/{ACCOUNT}/tables?restype=container", method="PUT")
    request.add_header("x-ms-date", date)
    request.add_header("x-ms-version", VERSION)
    request.add_header("Content-Length", "0")
    request.add_header("Authorization", f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}")
    urllib.request.urlopen(request)
    print(url.rpartition(":")[2], flush=True)
    sys.stdin.read()
finally:
    azurite.kill()
