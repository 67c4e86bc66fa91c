import { isObject } from '../shape.ts';
import { VERSION } from '../version.ts';
import { fromJson } from './node.ts';
import { createProblems, shown, type Problems } from './problems.ts';
import { SCHEMA, type Settings } from './schema.ts';
import { ENTRIES, LARGEST_BYTES, settle, type SettingsResult, type Values } from './settle.ts';
import { suggest } from './structure.ts';

/** The annotation of an instance's app in which its settings travel. */
export const SETTINGS_ANNOTATION = 'prometheus-service/settings';

/** A setting as tables and help show it. */
export interface Setting {
  readonly name: string;
  readonly meaning: string;
  readonly default: string;
  readonly range: string;
}

export const SETTINGS: readonly Setting[] = Object.values(SCHEMA).map((entry) => ({
  name: entry.name,
  meaning: entry.meaning,
  default: entry.default,
  range: entry.kind.range,
}));

export type SettingsInput = Readonly<Record<string, unknown>>;

export interface SettingsOptions {
  /** A plan's settings, which the user's replace one by one. */
  readonly defaults?: SettingsInput;
  /** A plan's limits. Unset settings use the default, or the plan's limit if that costs less. */
  readonly ceilings?: SettingsInput;
  /** Names in the input that are no settings, and are not looked at. */
  readonly others?: readonly string[];
  /** Settings that are not the user's to give: not looked at, and not suggested. */
  readonly hidden?: readonly string[];
}

/** Reads what a user gives over what a plan has. All problems come at once, each a sentence; no secret is in them. */
export function readSettings(input: SettingsInput, options: SettingsOptions = {}): SettingsResult {
  const { others = [], hidden = [] } = options;
  const known = [...ENTRIES.map(({ name }) => name), ...others].filter((name) => !hidden.includes(name));
  let isListTold = false;
  function unknown(name: string): string {
    const suggestion = suggestSetting(name, known);
    const isList = suggestion.startsWith(':');
    const words = `${shown(name)} is not a setting${isList && isListTold ? '.' : suggestion}`;
    isListTold ||= isList;
    return words;
  }
  const problems = createProblems();
  return settle(problems, {
    user: readValues(input, '', problems, [...others, ...hidden], unknown),
    plan: readValues(options.defaults ?? {}, "the plan's ", problems, [], (name) => `the plan's ${unknown(name)}`),
    ceilings: readCeilings(options.ceilings ?? {}, problems, unknown),
  });
}

/**
 * Reads the annotation, as the agent finds it. A setting that is not known is refused, as it may be one of a newer broker: the agent then
 * keeps the settings it has, rather than run with half of the new ones. `defaults` are for what the annotation does not say.
 */
export function parseSettings(text: string, defaults: SettingsInput = {}): SettingsResult {
  const problems = createProblems();
  const refuse = (words: string): SettingsResult => ({
    ok: false,
    problems: [`the annotation ${SETTINGS_ANNOTATION} ${words}`],
  });
  if (Buffer.byteLength(text) > LARGEST_BYTES) return refuse(`is larger than ${LARGEST_BYTES} bytes.`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refuse('is not JSON: set the settings again with "tsuru service-instance-update".');
  }
  if (!isObject(json)) return refuse('is not a JSON object.');
  const unknown = (name: string): string =>
    `${shown(name)} is not known to this agent (version ${VERSION}), which may be older than the broker: update the instance.`;
  return settle(problems, {
    user: readValues(json, '', problems, [], unknown),
    plan: readValues(defaults, "the agent's ", problems, [], (name) => `the agent's ${shown(name)} is no setting.`),
    ceilings: new Map(),
  });
}

/** More keys than this are not looked at: there are far fewer settings. */
const MOST_KEYS = 1_000;

function readValues(
  input: SettingsInput,
  whose: string,
  problems: Problems,
  others: readonly string[],
  unknown: (name: string) => string,
): Values {
  const values = new Map<keyof Settings, unknown>();
  const given = Object.entries(input);
  if (given.length > MOST_KEYS) problems.add(`${given.length} settings are given: only ${MOST_KEYS} are looked at.`);
  for (const [name, value] of given.slice(0, MOST_KEYS)) {
    if (others.includes(name)) continue;
    const entry = ENTRIES.find((candidate) => candidate.name === name);
    if (entry === undefined) {
      problems.add(unknown(name));
      continue;
    }
    // A form's empty field, and `--plan-param rules=`.
    if (typeof value === 'string' && value.trim() === '') continue;
    const place = problems.place(`${whose}${name}`);
    const node = fromJson(value, LARGEST_BYTES);
    if (typeof node === 'string') {
      place.say(`${node}.`);
      continue;
    }
    if (node.kind === 'scalar' && node.type === 'null') {
      place.say('cannot be null: leave it out for its default.');
      continue;
    }
    const read = entry.kind.read(node, place);
    if (read !== undefined) values.set(entry.key, read);
  }
  return values;
}

function readCeilings(input: SettingsInput, problems: Problems, unknown: (name: string) => string): Values {
  const whose = "the plan's ceiling for ";
  const values = readValues(input, whose, problems, [], (name) => `${whose}${unknown(name)}`);
  for (const { key, name, kind } of ENTRIES) {
    if (values.has(key) && kind.ceiling === undefined) problems.add(`${whose}${name} is not possible: leave it out.`);
  }
  return values;
}

function suggestSetting(name: string, known: readonly string[]): string {
  const meant = ENTRIES.find(({ alsoCalled = [] }) => alsoCalled.includes(name));
  if (meant !== undefined) return `, did you mean "${meant.name}"?`;
  return suggest(name, known);
}
