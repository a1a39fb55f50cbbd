"""Frames as OKX documents them, in pieces: https://www.okx.com/docs-v5/en/."""

from tests.service.venues.cases import RECEIVED_NS

T0 = 1_789_678_209_470
#: When every frame of a case is received, the ack of its subscription included.
NOW = RECEIVED_NS // 1_000_000
SWAP = b"BTC-USDT-SWAP"
SUBSCRIBED = b'{"event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"}}'


def push(channel: bytes, symbol: bytes, item: bytes) -> bytes:
    """Return a frame of one item."""
    return b'{"arg":{"channel":"%b","instId":"%b"},"data":[{"instId":"%b",%b}]}' % (
        channel,
        symbol,
        symbol,
        item,
    )


def trade(symbol: bytes, side: bytes, size: bytes, price: bytes) -> bytes:
    """Return a frame of one trade."""
    item = b'"tradeId":"130639474","px":"%b","sz":"%b","side":"%b","ts":"1630048897897","count":"3"'
    return push(b"trades", symbol, item % (price, size, side))


def mark(symbol: bytes, price: bytes, ts: int) -> bytes:
    """Return a frame of a mark."""
    return push(b"mark-price", symbol, b'"instType":"SWAP","markPx":"%b","ts":"%d"' % (price, ts))


def index(symbol: bytes, price: bytes, ts: int) -> bytes:
    """Return a frame of an index."""
    return push(b"index-tickers", symbol, b'"idxPx":"%b","open24h":"1","ts":"%d"' % (price, ts))


def order(side: bytes, position: bytes, size: bytes, price: bytes, ts: int) -> bytes:
    """Return one liquidation order."""
    return b'{"bkLoss":"0","bkPx":"%b","ccy":"","posSide":"%b","side":"%b","sz":"%b","ts":"%d"}' % (
        price,
        position,
        side,
        size,
        ts,
    )


def liquidations(symbol: bytes, *orders: bytes) -> bytes:
    """Return a frame of liquidations of one swap."""
    return (
        b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[%b],'
        b'"instFamily":"x","instId":"%b","instType":"SWAP","uly":"x"}]}'
    ) % (b",".join(orders), symbol)
