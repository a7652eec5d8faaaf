"""Sends a folder of JSON lines to a source, in batches, and goes on where it stopped.

Each line is a peshub.postings.v1.PostingChange in ProtoJSON. The folder is a spool: files are taken in the order of their
names, lines are only ever added. A journal beside them remembers which line each batch ended with. Without the journal
everything is sent again, which does no harm: what the hub has already is counted as unchanged.
"""

import json
import queue
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import protovalidate
from google.protobuf import json_format

from peshub_client import Backoff, Refusal, arguments, connect, short
from peshub.common.v1 import types_pb2 as common
from peshub.postings.v1 import postings_service_pb2 as pb
from peshub.postings.v1 import postings_service_pb2_grpc as rpc

# Where the next record stands: name of the file, and how many of its lines were taken.
Place = tuple[str, int]
START: Place = ("", 0)


class Journal:
    """Which place each of the last batches ended at."""

    KEPT = 16

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends: dict[int, Place] = {}
        if path.exists():
            self.ends = {int(batch): (file, line) for batch, (file, line) in json.loads(path.read_text()).items()}

    def after(self, batch: int) -> Place:
        """Returns where to go on after a batch that the hub has."""
        return self.ends.get(batch, START)

    def note(self, batch: int, end: Place) -> None:
        """Notes a batch; to be done before it is sent."""
        self.ends[batch] = end
        self.ends = {number: self.ends[number] for number in sorted(self.ends) if batch - self.KEPT < number <= batch}
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(self.ends))
        draft.replace(self.path)


def changes(folder: Path, place: Place, check: bool) -> Iterator[tuple[pb.PostingChange, Place]]:
    """Reads changes after a place, each with the place behind it. What cannot be read is told and left out."""
    for file in sorted(folder.glob("*.jsonl")):
        if file.name < place[0]:
            continue
        skip = place[1] if file.name == place[0] else 0
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if number <= skip or not line.strip():
                    continue
                change = pb.PostingChange()
                try:
                    json_format.Parse(line, change)
                except json_format.ParseError as error:
                    print(f"{file.name}:{number}: not sent: {error}")
                    continue
                if check and (wrong := broken_rules(change)):
                    print(f"{file.name}:{number}: not sent: {change.external_id}: {'; '.join(wrong)}")
                    continue
                yield change, (file.name, number)


def broken_rules(change: pb.PostingChange) -> list[str]:
    """Holds a change against the rules of the contract, as the hub will."""
    return [f"{path(it.proto.field)}: {it.proto.message}" for it in protovalidate.collect_violations(change)]


def path(field) -> str:
    """Returns the path of a field in the hub's way, such as upsert.workplaces[0].division.code."""
    steps = []
    for element in field.elements:
        item = element.subscript
        steps.append(f"{element.field_name}[{item.value}]" if item and item.field == "index" else element.field_name)
    return ".".join(steps)


def batches(
    records: Iterator[tuple[pb.PostingChange, Place]], changes_max: int, bytes_max: int
) -> Iterator[tuple[list[pb.PostingChange], Place]]:
    """Cuts changes into batches that keep both limits of the hub."""
    batch: list[pb.PostingChange] = []
    size, end = 0, START
    for change, place in records:
        # Its length and the field's number come on top.
        length = change.ByteSize() + 6
        if batch and (len(batch) == changes_max or size + length > bytes_max):
            yield batch, end
            batch, size = [], 0
        batch.append(change)
        size, end = size + length, place
    if batch:
        yield batch, end


def show(answer: pb.SyncPostingsResponse) -> pb.BatchAcknowledgement:
    """Prints an acknowledgement with its verdicts."""
    ack = answer.acknowledgement
    counts = ("created", "changed", "unchanged", "closed", "held", "rejected")
    told = ", ".join(f"{getattr(ack, name)} {name}" for name in counts if getattr(ack, name))
    notes = " (committed before)" * ack.replayed + " (nothing stored)" * ack.validate_only
    print(f"batch {ack.batch_id} at position {ack.position}: {told or 'nothing to do'}{notes}")
    for verdict in ack.verdicts:
        outcome = short(common.Outcome, verdict.outcome)
        for finding in verdict.findings:
            code = short(common.FindingCode, finding.code)
            given = f", not {finding.given!r}" if finding.given else ""
            suggested = f"; suggested: {finding.suggested!r}" if finding.suggested else ""
            where = finding.field or "the record"
            print(f"  {outcome} {verdict.external_id}: {code} {where}: expected {finding.expected}{given}{suggested}")
    return ack


def run(stub: rpc.PostingServiceStub, options, journal: Journal, backoff: Backoff) -> int:
    """Sends what is left over one stream. Returns the position of the last batch that has one."""
    requests: queue.SimpleQueue = queue.SimpleQueue()
    answers = stub.SyncPostings(iter(requests.get, None))
    opening = pb.SyncOpen(source=options.source, lane=options.lane, validate_only=options.validate_only)
    requests.put(pb.SyncPostingsRequest(open=opening))
    try:
        opened = next(answers).opened
        number, begin = opened.last_batch_id, journal.after(opened.last_batch_id)
        print(f"lane {options.lane or 'main'} of {options.source}: batch {number} was the last, going on at {begin}")
        records = changes(options.folder, START if options.validate_only else begin, not options.no_check)
        under_way, position = 0, 0
        sizes = (min(options.batch, opened.changes_per_batch_max), opened.bytes_per_batch_max)
        for batch, end in batches(records, *sizes):
            while under_way >= opened.credits:
                position = max(position, show(next(answers)).position)
                under_way -= 1
                backoff.reset()
            number += 1
            if not options.validate_only:
                journal.note(number, end)
            requests.put(pb.SyncPostingsRequest(batch=pb.SyncBatch(batch_id=number, changes=batch)))
            under_way += 1
        for _ in range(under_way):
            position = max(position, show(next(answers)).position)
        return position
    finally:
        # Ends our side of the stream, also when an exception leaves it.
        requests.put(None)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("folder", type=Path, help="folder of *.jsonl files")
    parser.add_argument("--source", required=True)
    parser.add_argument("--lane", default="", help="a numbered series of its own, such as closes; empty is the main one")
    parser.add_argument("--batch", type=int, default=1000, help="most changes a batch")
    parser.add_argument("--validate-only", action="store_true", help="get the verdicts, store nothing")
    parser.add_argument("--no-check", action="store_true", help="leave the checking to the hub")
    parser.add_argument("--journal", type=Path, help="FOLDER/journal-SOURCE-LANE.json when absent")
    options = parser.parse_args()
    name = f"journal-{options.source}-{options.lane or 'main'}.json"
    journal = Journal(options.journal or options.folder / name)
    backoff = Backoff()
    with connect(options) as channel:
        stub = rpc.PostingServiceStub(channel)
        while True:
            try:
                position = run(stub, options, journal, backoff)
                print(f"done, everything is at or before position {position}" if position else "done")
                return
            except grpc.RpcError as error:
                # After a lost connection nobody here knows what was committed; the next opening tells.
                backoff.wait(Refusal.of(error))
            except StopIteration:
                sys.exit("the hub ended the stream before it acknowledged everything")


if __name__ == "__main__":
    main()
