"""Tables of requests/s, p99 and CPU: medians of rounds, and their ratios to one peer. For bench/edge.sh and bench/cache.sh."""
import os, statistics as st


def read(folder, what, peer):
    """The rounds of a peer as `measure` of world.sh wrote them; none when it was not measured."""
    path = f"{folder}/{what}.{peer}"
    return [tuple(map(float, line.split())) for line in open(path)] if os.path.exists(path) else []


def median(rows, column):
    return st.median(row[column] for row in rows)


def cell(rows, base, column, digits, is_base):
    text = f"{median(rows, column):.{digits}f}"
    if base and median(base, column):
        text += f" ({median(rows, column) / median(base, column):.2f}"
        if column == 0 and not is_base:
            by_round = sorted(mine[0] / theirs[0] for mine, theirs in zip(rows, base))
            text += f"; {by_round[0]:.2f}-{by_round[-1]:.2f}"
        text += ")"
    return text


def print_table(folder, what, title, peers, base_peer):
    base = read(folder, what, base_peer)
    print(f"\n## {title}\n\n| | requests/s | p99 ms | CPU µs a request |\n|---|---|---|---|")
    for peer in peers:
        rows = read(folder, what, peer)
        if not rows:
            continue
        failed = max(row[3] for row in rows)
        name = peer if failed == 0 else f"{peer} (**up to {failed:.1%} of a round not answered with success: not comparable**)"
        per_sec, p99, cpu = (cell(rows, base, column, digits, peer == base_peer) for column, digits in ((0, 0), (1, 2), (2, 1)))
        print(f"| {name} | {per_sec} | {p99} | {'' if peer == 'direct' else cpu} |")
