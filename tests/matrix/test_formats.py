"""Every writer, every reader, every format: five languages and the command, byte- and value-checked."""

import tempfile

import pytest

import peers


@pytest.fixture(scope="module")
def store():
    with tempfile.TemporaryDirectory(prefix="zcx-matrix-", dir="/dev/shm") as directory:
        with peers.store_at(directory) as store:
            yield store


@pytest.fixture(scope="module", params=peers.NAMES)
def written(request, store, tmp_path_factory):
    """A writer's payloads, all of them; they go when the next one's come."""
    writer = peers.open_peer(request.param, store, tmp_path_factory.mktemp("peer"))
    keys = {(format, size): f"{request.param}/{format}/{size}"
            for format in peers.FORMATS for size in peers.SIZES}
    for (format, size), key in keys.items():
        writer.write(key, format, size)
    yield keys
    for key in keys.values():
        store.delete(key)


@pytest.mark.parametrize("reader", peers.NAMES)
def test_every_reader_reads_it(store, written, reader, tmp_path):
    peer = peers.open_peer(reader, store, tmp_path)
    for (format, size), key in written.items():
        peer.read(key, format, size)
