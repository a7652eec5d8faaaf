// Reads ProtoJSON strictly. The libraries' own reader leaves out what it does not know, and with it what was misspelt.

import { join } from "node:path";

import protobuf from "protobufjs";

import { FOLDERS } from "./peshub_client.mjs";

/** Returns a type of the contract. */
export function lookup(file, name) {
  const root = new protobuf.Root();
  root.resolvePath = (_, target) => (target.startsWith("buf/") ? join(FOLDERS[1], target) : join(FOLDERS[0], target));
  // The well-known types come with the library.
  return root.loadSync(file).resolveAll().lookupType(name);
}

/** Turns a JSON value into what the generated client takes, or throws with the path of what is wrong. */
export function read(type, json, path = "") {
  if (type.fullName === ".google.protobuf.Timestamp") return instant(json, path);
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new Error(`${path}: an object is expected`);
  const result = {};
  for (const [name, value] of Object.entries(json)) {
    const here = path ? `${path}.${name}` : name;
    const field = type.fields[name];
    if (!field) throw new Error(`${here} is no field of ${type.name}`);
    if (value === null) continue;
    if (field.repeated && !Array.isArray(value)) throw new Error(`${here}: a list is expected`);
    const item = (it, at) => one(field.resolvedType, it, at);
    result[name] = field.repeated ? value.map((it, place) => item(it, `${here}[${place}]`)) : item(value, here);
  }
  return result;
}

function one(type, value, path) {
  if (type instanceof protobuf.Type) return read(type, value, path);
  if (type instanceof protobuf.Enum && !(value in type.values)) throw new Error(`${path}: ${value} is none of ${type.name}`);
  return value;
}

function instant(text, path) {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new Error(`${path}: a time is expected, such as 2026-11-20T08:00:00Z`);
  const [, fraction = ""] = /\.(\d{1,9})/.exec(text) ?? [];
  return { seconds: Math.floor(ms / 1000), nanos: Number(fraction.padEnd(9, "0")) };
}
