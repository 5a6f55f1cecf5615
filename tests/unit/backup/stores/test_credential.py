"""The certificate of a service principal: its assertion as PyJWT reads it, its token at Azurite."""

import hashlib
import json
import ssl
import time
import uuid
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from backup.stores import https
from backup.stores.azure import Azure
from backup.stores.blobs import Container
from backup.stores.credential import SCOPE, Certificate, assertion
from collector.errors import BackupFault, StoreAway
from tests.fakes.backups import keep_backup
from tests.fakes.certificates import make_certificate
from tests.fakes.http_answers import Reply, serving
from tests.servers import azurite

TENANT, CLIENT = str(uuid.uuid4()), str(uuid.uuid4())
ID = "20261120T100000Z"


@pytest.fixture(scope="module")
def pair():
    return make_certificate()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(https, "PAUSES_S", ())


def token_for(audience, lasts_s=3600):
    """Return a token as Entra ID's: Azurite reads who made it for whom until when, no more."""
    now = int(time.time())
    claims = {"aud": audience, "iss": f"https://sts.windows.net/{TENANT}/"}
    claims |= {"nbf": now - 5, "iat": now - 5, "exp": now + lasts_s}
    return jwt.encode(claims, "a key of nobody, and long enough for it", "HS256")


def giving(lasts_s=3600):
    token = token_for("https://storage.azure.com", lasts_s)
    body = json.dumps({"token_type": "Bearer", "expires_in": lasts_s, "access_token": token})
    return lambda _: Reply(200, body.encode())


def public_key(certificate):
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    assert isinstance(key, RSAPublicKey)
    return key


@pytest.mark.parametrize("key_first", [True, False])
def test_the_assertion_is_what_entra_id_asks_for(pair, key_first):
    key, certificate = pair
    pem = key + certificate if key_first else certificate + key
    said = assertion(Certificate(TENANT, CLIENT, pem), "https://there/token")
    public = public_key(certificate)
    claims = jwt.decode(said, public, ["PS256"], audience="https://there/token")
    assert claims["iss"] == claims["sub"] == CLIENT
    assert claims["exp"] - claims["iat"] == 600
    uuid.UUID(claims["jti"])
    thumbprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).digest()
    header = jwt.get_unverified_header(said)
    assert jwt.utils.base64url_decode(header["x5t#S256"]) == thumbprint


def test_a_certificate_lets_us_in(pair, tmp_path, monkeypatch):
    """All the way, over TLS: an assertion for a token, and the token for Azurite."""
    key, certificate = pair
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "cert.pem").write_text(certificate)
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):  # ours, and Microsoft's client
        monkeypatch.setenv(variable, str(tmp_path / "cert.pem"))
    options = [f"--cert={tmp_path}/cert.pem", f"--key={tmp_path}/key.pem", "--oauth=basic"]
    with (
        serving(giving()) as entra,
        azurite.running(tmp_path, *options, scheme="https") as server,
    ):
        server.container("backups")
        credential = Certificate(TENANT, CLIENT, key + certificate, entra.url)
        ours = Azure(Container(server.url, "backups", credential))
        assert ours.check() == []
        manifest = keep_backup(ours, tmp_path, ID, {"config/a": b"one"})
        assert ours.manifest(ID) == manifest
    (asked,) = entra.asked  # one token serves all of it
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assert asked.path == f"/{TENANT}/oauth2/v2.0/token"
    assert form["scope"] == SCOPE
    assert form["client_id"] == CLIENT
    public = public_key(certificate)
    audience = f"{entra.url}/{TENANT}/oauth2/v2.0/token"
    assert jwt.decode(form["client_assertion"], public, ["PS256"], audience=audience)


def test_a_far_side_of_unknown_certificate_is_not_talked_to(pair, tmp_path):
    key, certificate = pair
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "cert.pem").write_text(certificate)
    options = [f"--cert={tmp_path}/cert.pem", f"--key={tmp_path}/key.pem"]
    with azurite.running(tmp_path, *options, scheme="https") as server:
        credential = Certificate(TENANT, CLIENT, "", token="a-token", ends=float("inf"))
        with pytest.raises(StoreAway, match="certificate verify failed"):
            Azure(Container(server.url, "backups", credential)).ids()


def test_a_token_that_is_near_its_end_is_replaced(pair):
    with serving(giving(lasts_s=200)) as entra:
        credential = Certificate(TENANT, CLIENT, "".join(pair), entra.url)
        credential.headers()
        credential.headers()
    assert len(entra.asked) == 2


def test_a_refused_certificate_says_what_to_do(pair):
    said = {
        "error": "invalid_client",
        "error_description": "AADSTS700027: not registered.\r\nTrace",
    }
    with serving(lambda _: Reply(401, json.dumps(said).encode())) as entra:
        credential = Certificate(TENANT, CLIENT, "".join(pair), entra.url)
        with pytest.raises(StoreAway, match=r"terraform apply.*AADSTS700027: not registered.'$"):
            credential.headers()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"access_token": 5}'])
def test_an_answer_without_a_token_is_told(pair, body):
    with serving(lambda _: Reply(200, body)) as entra:
        credential = Certificate(TENANT, CLIENT, "".join(pair), entra.url)
        with pytest.raises(StoreAway, match=entra.url):
            credential.headers()


def test_a_pem_without_key_or_certificate_is_told(pair):
    for pem in ("", pair[0], pair[1], "".join(make_certificate("EC")), "-----BEGIN x-----"):
        with pytest.raises(BackupFault, match="must hold an RSA private key and its certificate"):
            assertion(Certificate(TENANT, CLIENT, pem), "there")


def test_the_key_is_nowhere_to_be_seen(pair):
    credential = Certificate(TENANT, CLIENT, "".join(pair), token="the-token")
    assert "PRIVATE" not in repr(credential)
    assert "the-token" not in repr(credential)
