"""DER (X.690) as far as it takes to leave an extension out of a certificate: elements, their parts, and back."""

from collections.abc import Collection, Iterator


def parts(data: bytes) -> Iterator[bytes]:
    """The elements that follow one another, each whole.

    :raises ValueError: when one is cut off or has a form that DER has not.
    """
    at = 0
    while at < len(data):
        end = at + _size(data[at:])
        yield data[at:end]
        at = end


def whole(data: bytes) -> tuple[int, bytes]:
    """The tag and the content of one element.

    :raises ValueError: as :func:`parts`, or when something follows it.
    """
    if _size(data) != len(data):
        raise ValueError("something follows the element")
    return data[0], data[2 if data[1] < 0x80 else 2 + (data[1] & 0x7F) :]


def element(tag: int, content: bytes) -> bytes:
    """An element."""
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def sequence_without(data: bytes, identifiers: Collection[bytes]) -> bytes:
    """A tagged sequence of sequences without those that begin with one of the identifiers, themselves in DER."""
    tag, inner = whole(data)
    sequence, content = whole(inner)
    kept = [part for part in parts(content) if next(parts(whole(part)[1]), b"") not in identifiers]
    return element(tag, element(sequence, b"".join(kept))) if kept else b""


def _size(data: bytes) -> int:
    """How many octets the first element has in all."""
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise ValueError("an element is cut off, or has a long tag")
    count = data[1] & 0x7F if data[1] >= 0x80 else 0
    if count > 4 or data[1] == 0x80 or len(data) < 2 + count:
        raise ValueError("an element has no usable length")
    length = int.from_bytes(data[2 : 2 + count], "big") if count else data[1]
    if len(data) < 2 + count + length:
        raise ValueError("an element is cut off")
    return 2 + count + length
