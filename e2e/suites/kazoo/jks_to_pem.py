"""Writes what is in a Java key store as PEM: jks_to_pem.py STORE PASSWORD TARGET."""

import base64
import pathlib
import sys
import textwrap

import jks


def pem(kind, der):
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"


def convert(path, password):
    store = jks.KeyStore.load(path, password)
    text = ""
    for key in store.private_keys.values():
        if not key.is_decrypted():
            key.decrypt(password)
        text += pem("PRIVATE KEY", key.pkey_pkcs8)
        text += "".join(pem("CERTIFICATE", certificate) for _, certificate in key.cert_chain)
    for trusted in store.certs.values():
        text += pem("CERTIFICATE", trusted.cert)
    return text


pathlib.Path(sys.argv[3]).write_text(convert(sys.argv[1], sys.argv[2]))
