// Checks what somebody is eligible for by the facts that are known, and says what to ask next.
//
// Facts are written NAME=VALUE, with the names of the hub's catalogue. What is not said is unknown, and never taken for false.
// With --ask the questions that can still change an answer are put at the terminal, the best one first. With --apply an
// application is filed.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { arguments_, call, connect, contract, division, fail, needed, newRequestId, short } from "./peshub_client.mjs";

const { EligibilityService } = contract("peshub/subsidies/v1/eligibility_service.proto");
const { ProgrammeService } = contract("peshub/subsidies/v1/programmes_service.proto");
const { ApplicationService } = contract("peshub/subsidies/v1/applications_service.proto");
const { WorkerService } = contract("peshub/workers/v1/workers_service.proto");

// By kind: which field of FactValue it is, which of FactList, and how it is read.
const whole = (text) => (/^-?\d+$/.test(text) ? text : undefined);
const truth = (text) => ({ true: true, false: false })[text];
const plain = (text) => text;
const KINDS = {
  INT: ["number", "numbers", whole],
  MONEY: ["number", "numbers", whole],
  DATE: ["date", "dates", plain],
  BOOL: ["truth", "truths", truth],
  ENUM: ["text", "texts", plain],
  STRING: ["text", "texts", plain],
};

/** Facts as the hub defines them, and programmes in the words of their editions. */
class Catalogue {
  facts = new Map();
  editions = new Map();

  static async open(options) {
    const catalogue = new Catalogue();
    catalogue.client = connect(ProgrammeService, options);
    let pageToken = "";
    do {
      const page = await call(catalogue.client, "listFacts", { pageSize: 1000, pageToken });
      for (const { definition } of page.facts) catalogue.facts.set(definition.name, definition);
      pageToken = page.nextPageToken;
    } while (pageToken);
    return catalogue;
  }

  /** Reads NAME=VALUE by the fact's kind. */
  read(stated) {
    const [, name, text] = /^([^=]+)=(.*)$/s.exec(stated) ?? [];
    const definition = this.facts.get(name);
    if (!definition) return fail(`${name ?? stated} is no fact of the catalogue; write NAME=VALUE`);
    const kind = short(definition.kind, "FACT_KIND");
    const isList = kind === "LIST";
    const [one, many, parse] = KINDS[isList ? short(definition.itemKind, "FACT_KIND") : kind];
    const items = (isList ? text.split(",") : [text]).map(parse);
    if (items.includes(undefined)) return fail(`${name} is of kind ${kind}`);
    return { name, value: isList ? { list: { [many]: items } } : { [one]: items[0] } };
  }

  /** Returns a programme as an edition of it says it. */
  async programme(name, edition) {
    const key = `${name}/${edition}`;
    if (!this.editions.has(key)) {
      const answer = await call(this.client, "getProgramme", { name, edition });
      this.editions.set(key, answer.edition.edition.programme);
    }
    return this.editions.get(key);
  }
}

/** Returns a text in a language, or in the first that there is. */
const words = (texts, language) => (texts.find((it) => it.language === language) ?? texts[0])?.text ?? "";

/** Returns the texts of a criterion and its law: those of the region where its overlay has made the criterion wider. */
function wording(programme, version, { overlay, version: name }, id) {
  const here = programme.overlays.filter((it) => it.division.code === overlay && ["", name].includes(it.version));
  const all = here.flatMap((whole) => whole.widened.map((criterion) => [whole, criterion]));
  all.push(...version.criteria.map((criterion) => [version, criterion]));
  const [whole, criterion] = all.find(([, it]) => it.id === id) ?? [undefined, { texts: [] }];
  return [criterion.texts, criterion.legalSource || whole?.legalSource || ""];
}

/** Prints what a programme answers: the verdict, the amount, and every criterion with its words and its law. */
async function show(answer, catalogue, language) {
  const programme = await catalogue.programme(answer.programme, answer.edition);
  const version = programme.versions.find((it) => it.name === answer.version);
  const { least, greatest, currency } = answer.amount ?? {};
  const range = least === greatest ? least : `${least} to ${greatest}`;
  const amount = answer.amount ? `, ${range} minor units of ${currency}` : "";
  const edition = [answer.edition, answer.version].filter(Boolean).join("/");
  const title = `${answer.programme} ${edition}, ${words(programme.titles, language)}`;
  console.log(`${title}: ${short(answer.verdict, "VERDICT")}${amount}`);
  for (const outcome of answer.criteria) {
    const [texts, law] = wording(programme, version, answer, outcome.id);
    const state = short(outcome.state, "CRITERION_STATE").toLowerCase().replace("_", " ");
    console.log(`  ${state.padEnd(8)} ${words(texts, language)} [${law}]`);
    if (outcome.openFacts.length) console.log(`           depends on ${outcome.openFacts.join(", ")}`);
  }
  for (const it of answer.ask) {
    const shownBy = [...it.evidence, ...it.credentialTypes.map((name) => `credential ${name}`)].join(", ");
    console.log(`  missing: ${it.name}${shownBy ? ` (shown by ${shownBy})` : ""}`);
  }
}

/** Puts a question at the terminal. An empty answer is none. */
async function ask({ fact, unlocks }, catalogue, lines) {
  const definition = catalogue.facts.get(fact.name);
  const worth = unlocks.map((it) => `${it.greatest} minor units of ${it.currency}`).join(", ");
  const kind = short(definition.kind, "FACT_KIND");
  const how = definition.choices.join("|") || ({ BOOL: "true|false", DATE: "YYYY-MM-DD" }[kind] ?? kind.toLowerCase());
  process.stdout.write(`${definition.meaning} It can unlock ${worth}.\n${fact.name} (${how})? `);
  const { value = "" } = await lines.next();
  console.log(process.stdin.isTTY ? "" : value);
  return value.trim();
}

/** Files an application for the worker whose identity number is in a file. */
async function apply(options, facts) {
  const [register, applications] = [connect(WorkerService, options), connect(ApplicationService, options)];
  const number = readFileSync(options.apply, "utf8").trim();
  const nationalId = { scheme: "NATIONAL_ID_SCHEME_GB11643", number };
  const worker = await call(register, "registerWorker", { nationalId, requestId: newRequestId() });
  const { application, receipt } = await call(applications, "submitApplication", {
    programme: options.programme[0],
    division: division(options.division),
    workerReference: worker.reference,
    facts,
    requestId: newRequestId(),
  });
  const state = short(application.state, "APPLICATION_STATE");
  console.log(`filed: application ${application.applicationId} is ${state}; entry ${receipt.entryId}`);
  register.close();
  applications.close();
}

const options = arguments_({
  division: { type: "string" },
  programme: { type: "string", multiple: true, default: [] },
  language: { type: "string", default: "en" },
  ask: { type: "boolean" },
  apply: { type: "string" },
});
if (options.apply && options.programme.length !== 1) fail("--apply needs one --programme");
const terms = {
  division: division(needed(options, "division")),
  programmes: options.programme.map((name) => ({ name })),
  rankQuestions: true,
};
const catalogue = await Catalogue.open(options);
const client = connect(EligibilityService, options);
const facts = options.rest.map((it) => catalogue.read(it));
const lines = options.ask ? createInterface({ input: process.stdin })[Symbol.asyncIterator]() : undefined;
const left = new Set();
for (;;) {
  // Nothing of it is kept at the hub.
  const { determinations, questions } = await call(client, "checkEligibility", { terms, facts });
  for (const it of determinations) await show(it, catalogue, options.language);
  const question = questions.find((it) => !left.has(it.fact.name));
  if (!question) break;
  if (!options.ask) {
    console.log(`ask next: ${question.fact.name}`);
    break;
  }
  const said = await ask(question, catalogue, lines);
  if (said) facts.push(catalogue.read(`${question.fact.name}=${said}`));
  else left.add(question.fact.name);
}
await lines?.return?.();
client.close();
catalogue.client.close();
if (options.apply) await apply(options, facts);
