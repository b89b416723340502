"""A store that accepts and never answers."""

import socket
import threading


class Tarpit:
    """A server that takes every connection and every word, and says nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.asked: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                self.asked.append(self._socket.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._socket.close()
        for each in self.asked:
            each.close()
