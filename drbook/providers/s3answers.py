"""What a store answers is outside text: what cannot be understood in it is an error of the store's."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.model import Shape
from botocore.parsers import (
    ResponseParser,
    ResponseParserError,
    ResponseParserFactory,
)
from botocore.utils import parse_timestamp

from drbook.core.values import plain


class OddAnswer(BotoCoreError):
    """Like every failure of a store it is one of botocore's own."""

    fmt = "its answer cannot be understood: {what}"


_ODD = (ResponseParserError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError)


class CarefulParsers(ResponseParserFactory):
    """botocore's parsers, with times in UTC, and with one kind of error for every odd answer.

    botocore lets pass what Python says of a time, a number or a document that is none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=_time)

    def create_parser(self, protocol_name: str) -> ResponseParser:
        parser: ResponseParser = super().create_parser(protocol_name)
        parse = parser.parse

        def careful(response: Mapping[str, Any], shape: Shape) -> Any:
            try:
                return parse(response, shape)
            except RecursionError:
                raise  # of an address that redirects to itself
            except _ODD as error:
                raise OddAnswer(what=plain(" ".join(str(error).split()), 150)) from None

        parser.parse = careful  # type: ignore[method-assign]
        return parser


def _time(text: str) -> datetime:
    return parse_timestamp(text).astimezone(UTC)
