"""How Host and Origin headers are read."""

from hiveweb.hosts import Authority, parse


def test_authorities_are_read_as_browsers_write_them() -> None:
    assert parse("Example.COM.:80") == Authority("example.com", "80")
    plain = Authority("example.com", "")
    assert plain.matches("http://example.com")
    assert plain.matches("https://example.com")
    assert plain.matches("http://EXAMPLE.com:80")
    assert plain.matches("https://example.com:443")
    assert not plain.matches("https://example.com:444")
    assert not plain.matches("ftp://example.com")
    assert not plain.matches("http://example.com/")
    assert not plain.matches("http://[")
    assert Authority("[::1]", "8765").matches("http://[::1]:8765")
