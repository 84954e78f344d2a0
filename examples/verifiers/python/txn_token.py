"""Verifies a Txn-Token as docs/TXN-TOKEN.md says, for tool servers in Python behind a Countersign gateway."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from json.decoder import scanstring

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwk, jws
from joserfc.errors import JoseError

TOKEN_OCTETS_MAX = 8192
LIFETIME_SECONDS_MAX = 60
SKEW_SECONDS = 5

COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
SPIFFE_ID = re.compile(r"spiffe://([a-z0-9._-]+)((?:/[A-Za-z0-9._-]+)+)")
SCOPE = re.compile(r"([a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?):([A-Za-z0-9_.-]{1,128}|[A-Za-z0-9_.-]{0,127}\*)")
# Where in `params` stands what a request is about.
TARGETS = {
    **dict.fromkeys(("tools/call", "prompts/get"), "name"),
    **dict.fromkeys(("resources/read", "resources/subscribe", "resources/unsubscribe"), "uri"),
    **dict.fromkeys(("tasks/get", "tasks/update", "tasks/cancel", "tasks/result"), "taskId"),
}
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class Refused(Exception):
    """What is wrong: malformed, signature, binding, issuer, audience, expired or call."""


@dataclass(frozen=True)
class Here:
    """What this tool server knows without the token."""

    trust_domain: str
    spiffe_id: str  # our own
    server: str | None  # our name in the gateway's configuration


@dataclass(frozen=True)
class Caller:
    spiffe_id: str
    tenant: str | None
    role: str | None
    transaction_id: str


def verify(token: str, *, peer: x509.Certificate, body: bytes, here: Here, now: int) -> Caller:
    """Who asks for what is in `body`. `peer` is the gateway's certificate on this very connection, verified. Raises Refused."""
    claims = _signed_claims(token, peer)
    tctx, thumbprint = claims["tctx"], _thumbprint(peer)
    _require(claims["iss"] == _spiffe_id(peer), "issuer")
    _require(claims["aud"] == here.spiffe_id, "audience")
    _require(claims["cnf"]["x5t#S256"] == thumbprint, "binding")
    _require(here.server in (None, tctx["server"]), "audience")
    issued, ends = claims["iat"], claims["exp"]
    _require(0 < ends - issued <= LIFETIME_SECONDS_MAX, "expired")
    _require(issued <= now + SKEW_SECONDS and now - SKEW_SECONDS < ends, "expired")
    _check_call(claims, body)
    caller = SPIFFE_ID.fullmatch(claims["sub"])
    scopes = [SCOPE.fullmatch(scope) for scope in tctx["toolScopes"]]
    _require(caller is not None and None not in scopes, "malformed")
    _require(caller[1] == here.trust_domain and claims["req_wl"] == claims["sub"], "issuer")
    _require(any(_covers(scope, tctx) for scope in scopes), "call")
    return Caller(claims["sub"], tctx.get("tenant"), tctx.get("role"), claims["txn"])


def _signed_claims(token: str, peer: x509.Certificate) -> dict:
    _require(len(token) <= TOKEN_OCTETS_MAX and COMPACT.fullmatch(token), "malformed")
    key = peer.public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        # The key says which algorithm it is, and the header has no say in it.
        verified = jws.deserialize_compact(
            token, jwk.import_key(pem, _key_type(key)), algorithms=[_algorithm(key)]
        )
    except (JoseError, ValueError) as error:
        raise Refused("signature") from error
    header = verified.headers()
    _require(header.get("typ") == "txntoken+jwt", "malformed")
    _require(header.get("x5t#S256") == _thumbprint(peer), "binding")
    try:
        claims = json.loads(verified.payload)
        return _typed(claims)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("malformed") from error


def _typed(claims: dict) -> dict:
    tctx = claims["tctx"]
    texts = [claims[name] for name in ("txn", "sub", "aud", "iss", "scope", "req_wl")]
    texts += [tctx["server"], tctx["method"], tctx["argumentsSha256"], claims["cnf"]["x5t#S256"]]
    texts += [tctx[name] for name in ("tool", "targetSha256", "tenant", "role") if name in tctx]
    _require(all(type(claims[name]) is int and claims[name] >= 0 for name in ("iat", "exp")), "malformed")
    lists = (tctx["models"], tctx["toolScopes"])
    _require(all(isinstance(each, list) for each in lists), "malformed")
    texts += [text for each in lists for text in each] + [tctx["pod"][name] for name in ("namespace", "name", "uid")]
    _require(all(isinstance(text, str) and text for text in texts), "malformed")
    return claims


def _check_call(claims: dict, body: bytes) -> None:
    tctx = claims["tctx"]
    method, target, arguments = _asked(body)
    _require(tctx["method"] == method, "call")
    if method == "tools/call":
        _require(tctx.get("tool", "").encode() == target, "call")
    else:
        _require(tctx.get("targetSha256") == _digest(target), "call")
    _require(tctx["argumentsSha256"] == _digest(arguments), "call")
    tool = tctx.get("tool")
    _require(claims["scope"] == (tctx["server"] if tool is None else f"{tctx['server']}:{tool}"), "call")


def _asked(body: bytes) -> tuple[str, bytes, bytes]:
    """The method, what it is about, and the octets of its arguments as they stand."""
    try:
        message = _members(body.decode())
        method, params = json.loads(message["method"]), _members(message["params"])
        if method == "completion/complete":
            reference = json.loads(params["ref"])
            target = reference["name" if reference["type"] == "ref/prompt" else "uri"]
        else:
            target = json.loads(params[TARGETS[method]])
        _require(isinstance(target, str) and target, "call")
        return method, target.encode(), params.get("arguments", "").encode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused("call") from error


def _members(text: str) -> dict[str, str]:
    """The members of an object, each as the text that it is written with: a digest is over that, and not over what a parser
    makes of it. One that has a name twice, in whatever case, is refused: two readers could take it for two requests."""
    decoder, members, folded = json.JSONDecoder(), {}, set()
    at = _skip(text, _skip(text, 0, "{"))
    while text[at : at + 1] != "}":
        _require(text[at : at + 1] == '"', "call")
        name, at = scanstring(text, at + 1)
        start = _skip(text, _skip(text, at, ":"))
        _, end = decoder.raw_decode(text, start)
        _require(name.lower() not in folded, "call")
        folded.add(name.lower())
        members[name] = text[start:end]
        at = _skip(text, end)
        if text[at : at + 1] != "}":
            at = _skip(text, _skip(text, at, ","))
            _require(text[at : at + 1] == '"', "call")
    _require(_skip(text, at + 1) == len(text), "call")
    return members


def _skip(text: str, at: int, expected: str = "") -> int:
    while text[at : at + 1] in tuple(" \t\r\n"):
        at += 1
    _require(text.startswith(expected, at), "call")
    return at + len(expected)


def _covers(scope: re.Match[str], tctx: dict) -> bool:
    server, pattern = scope[1], scope[2]
    tool = tctx.get("tool")
    if server != tctx["server"] or tool is None:
        return server == tctx["server"]
    return tool.startswith(pattern[:-1]) if pattern.endswith("*") else tool == pattern


def _algorithm(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPublicKey):
        return "PS256"
    _require(isinstance(key, ed25519.Ed25519PublicKey), "signature")
    return "Ed25519"


def _key_type(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC"
    return "RSA" if isinstance(key, rsa.RSAPublicKey) else "OKP"


def _spiffe_id(peer: x509.Certificate) -> str:
    names = peer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    _require(len(uris) == 1, "issuer")
    return uris[0]


def _thumbprint(peer: x509.Certificate) -> str:
    return _text(peer.fingerprint(hashes.SHA256()))


def _digest(octets: bytes) -> str:
    return _text(hashlib.sha256(octets).digest())


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _require(holds: object, fault: str) -> None:
    if not holds:
        raise Refused(fault)
