"""Checks what somebody is eligible for by the facts that are known, and says what to ask next.

Facts are written NAME=VALUE, with the names of the hub's catalogue. What is not said is unknown, and never taken for false. With
--ask the questions that can still change an answer are put at the terminal, the best one first. With --apply an application
is filed.
"""

import sys
from pathlib import Path

from peshub_client import arguments, call, connect, division, new_request_id, short
from peshub.subsidies.v1 import applications_service_pb2 as applications
from peshub.subsidies.v1 import applications_service_pb2_grpc as applications_rpc
from peshub.subsidies.v1 import determination_pb2 as determination
from peshub.subsidies.v1 import eligibility_service_pb2 as pb
from peshub.subsidies.v1 import eligibility_service_pb2_grpc as rpc
from peshub.subsidies.v1 import fact_pb2 as fact
from peshub.subsidies.v1 import programme_pb2
from peshub.subsidies.v1 import programmes_service_pb2 as programmes
from peshub.subsidies.v1 import programmes_service_pb2_grpc as programmes_rpc
from peshub.workers.v1 import workers_service_pb2 as workers
from peshub.workers.v1 import workers_service_pb2_grpc as workers_rpc

# By kind: which field of FactValue it is, which of FactList, and how it is read.
KINDS = {
    fact.FACT_KIND_INT: ("number", "numbers", int),
    fact.FACT_KIND_MONEY: ("number", "numbers", int),
    fact.FACT_KIND_DATE: ("date", "dates", str),
    fact.FACT_KIND_BOOL: ("truth", "truths", {"true": True, "false": False}.__getitem__),
    fact.FACT_KIND_ENUM: ("text", "texts", str),
    fact.FACT_KIND_STRING: ("text", "texts", str),
}


class Catalogue:
    """Facts as the hub defines them, and programmes in the words of their editions."""

    def __init__(self, channel) -> None:
        self.stub = programmes_rpc.ProgrammeServiceStub(channel)
        self.editions: dict[tuple[str, int], programme_pb2.Programme] = {}
        self.facts: dict[str, fact.FactDefinition] = {}
        request = programmes.ListFactsRequest(page_size=1000)
        while True:
            page = call(self.stub.ListFacts, request)
            self.facts |= {it.definition.name: it.definition for it in page.facts}
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return

    def read(self, stated: str) -> fact.Fact:
        """Reads NAME=VALUE by the fact's kind."""
        name, said, text = stated.partition("=")
        if not said or name not in self.facts:
            sys.exit(f"{name} is no fact of the catalogue; write NAME=VALUE")
        definition = self.facts[name]
        is_list = definition.kind == fact.FACT_KIND_LIST
        one, many, parse = KINDS[definition.item_kind if is_list else definition.kind]
        try:
            items = [parse(it) for it in (text.split(",") if is_list else [text])]
        except (KeyError, ValueError):
            sys.exit(f"{name} is of kind {short(fact.FactKind, definition.kind)}")
        value = {"list": fact.FactList(**{many: items})} if is_list else {one: items[0]}
        return fact.Fact(name=name, value=fact.FactValue(**value))

    def programme(self, name: str, number: int):
        """Returns a programme as an edition of it says it."""
        if (name, number) not in self.editions:
            request = programmes.GetProgrammeRequest(name=name, edition=number)
            self.editions[name, number] = call(self.stub.GetProgramme, request).edition.edition.programme
        return self.editions[name, number]


def words(texts, language: str) -> str:
    """Returns a text in a language, or in the first that there is."""
    return next((it.text for it in texts if it.language == language), texts[0].text if texts else "")


def wording(programme, version, answer: determination.Determination, criterion_id: str):
    """Returns the texts of a criterion and its law: those of the region where its overlay has made the criterion wider."""
    here = (it for it in programme.overlays if it.division.code == answer.overlay and it.version in ("", answer.version))
    widened = ((overlay, it) for overlay in here for it in overlay.widened)
    for whole, criterion in [*widened, *((version, it) for it in version.criteria)]:
        if criterion.id == criterion_id:
            return criterion.texts, criterion.legal_source or whole.legal_source
    return [], ""


def show(answer: determination.Determination, catalogue: Catalogue, language: str) -> None:
    """Prints what a programme answers: the verdict, the amount, and every criterion with its words and its law."""
    programme = catalogue.programme(answer.programme, answer.edition)
    version = next((it for it in programme.versions if it.name == answer.version), None)
    verdict = short(determination.Verdict, answer.verdict)
    amount = ""
    if answer.HasField("amount"):
        least, greatest = answer.amount.least, answer.amount.greatest
        amount = f", {least if least == greatest else f'{least} to {greatest}'} minor units of {answer.amount.currency}"
    edition = f"{answer.edition}/{answer.version}".rstrip("/")
    print(f"{answer.programme} {edition}, {words(programme.titles, language)}: {verdict}{amount}")
    for outcome in answer.criteria:
        texts, law = wording(programme, version, answer, outcome.id)
        state = short(determination.CriterionState, outcome.state).lower().replace("_", " ")
        print(f"  {state:<8} {words(texts, language)} [{law}]")
        if outcome.open_facts:
            print(f"           depends on {', '.join(outcome.open_facts)}")
    for it in answer.ask:
        shown_by = ", ".join([*it.evidence, *(f"credential {name}" for name in it.credential_types)])
        print(f"  missing: {it.name}{f' (shown by {shown_by})' if shown_by else ''}")


def check(stub, options, facts: list[fact.Fact]) -> pb.CheckEligibilityResponse:
    """Asks the hub. Nothing of it is kept there."""
    terms = pb.CheckTerms(
        division=division(options.division),
        programmes=[pb.ProgrammeChoice(name=name) for name in options.programme],
        rank_questions=True,
    )
    return call(stub.CheckEligibility, pb.CheckEligibilityRequest(terms=terms, facts=facts))


def ask(question: pb.Question, catalogue: Catalogue) -> str:
    """Puts a question at the terminal. An empty answer is none."""
    definition = catalogue.facts[question.fact.name]
    unlocks = ", ".join(f"{it.greatest} minor units of {it.currency}" for it in question.unlocks)
    kind = short(fact.FactKind, definition.kind)
    kind = "|".join(definition.choices) or {"BOOL": "true|false", "DATE": "YYYY-MM-DD"}.get(kind, kind.lower())
    print(f"{definition.meaning} It can unlock {unlocks}.\n{question.fact.name} ({kind})? ", end="", flush=True)
    answer = sys.stdin.readline().strip()
    print(answer if not sys.stdin.isatty() else "")
    return answer


def apply(channel, options, facts: list[fact.Fact]) -> None:
    """Files an application for the worker whose identity number is in a file."""
    number = options.apply.read_text().strip()
    national_id = workers.NationalId(scheme=workers.NATIONAL_ID_SCHEME_GB11643, number=number)
    register = workers.RegisterWorkerRequest(national_id=national_id, request_id=new_request_id())
    worker = call(workers_rpc.WorkerServiceStub(channel).RegisterWorker, register).reference
    request = applications.SubmitApplicationRequest(
        programme=options.programme[0],
        division=division(options.division),
        worker_reference=worker,
        facts=facts,
        request_id=new_request_id(),
    )
    answer = call(applications_rpc.ApplicationServiceStub(channel).SubmitApplication, request)
    state = short(applications.ApplicationState, answer.application.state)
    print(f"filed: application {answer.application.application_id} is {state}; entry {answer.receipt.entry_id}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("facts", nargs="*", help="what is known, NAME=VALUE")
    parser.add_argument("--division", required=True, help="where, such as 440305")
    parser.add_argument("--programme", action="append", default=[], help="only this one; all in force there when absent")
    parser.add_argument("--language", default="en", help="of titles and criteria")
    parser.add_argument("--ask", action="store_true", help="put questions until nothing more can change an answer")
    parser.add_argument("--apply", type=Path, metavar="FILE", help="file an application; FILE has the worker's identity number")
    options = parser.parse_args()
    if options.apply and len(options.programme) != 1:
        sys.exit("--apply needs one --programme")
    with connect(options) as channel:
        catalogue, stub = Catalogue(channel), rpc.EligibilityServiceStub(channel)
        facts = [catalogue.read(it) for it in options.facts]
        left = set()
        while True:
            answer = check(stub, options, facts)
            for it in answer.determinations:
                show(it, catalogue, options.language)
            questions = [it for it in answer.questions if it.fact.name not in left]
            if not questions:
                break
            if not options.ask:
                print(f"ask next: {questions[0].fact.name}")
                break
            name = questions[0].fact.name
            if said := ask(questions[0], catalogue):
                facts.append(catalogue.read(f"{name}={said}"))
            else:
                left.add(name)
        if options.apply:
            apply(channel, options, facts)


if __name__ == "__main__":
    main()
