import { isObject } from '../../agent/shared/shape.ts';
import { BrokerError } from '../errors.ts';

/** A body as it came: Tsuru writes the same things as a form or as JSON, under different keys. */
export type RawBody =
  { readonly encoding: 'form'; readonly form: URLSearchParams } | { readonly encoding: 'json'; readonly json: unknown };

/** One thing in a body, by its keys in both encodings. */
interface Field {
  readonly form: string;
  readonly json: string;
  readonly kind: 'text' | 'parameters';
  readonly required?: true;
}

export type Fields = Readonly<Record<string, Field>>;

const PARAMETERS: Field = { form: 'parameters.', json: 'parameters', kind: 'parameters' };

/** What is read of the bodies that Tsuru sends; everything else in them is ignored. */
export const CREATE = {
  name: { form: 'name', json: 'name', kind: 'text', required: true },
  team: { form: 'team', json: 'team', kind: 'text', required: true },
  plan: { form: 'plan', json: 'plan', kind: 'text' },
  parameters: PARAMETERS,
} as const satisfies Fields;

export const UPDATE = {
  team: { form: 'team', json: 'team', kind: 'text' },
  plan: { form: 'plan', json: 'plan', kind: 'text' },
  parameters: PARAMETERS,
} as const satisfies Fields;

export const BIND = {
  app: { form: 'app-name', json: 'appName', kind: 'text', required: true },
  pool: { form: 'app-pool-name', json: 'appPoolName', kind: 'text' },
  cluster: { form: 'app-cluster-name', json: 'appClusterName', kind: 'text' },
  parameters: PARAMETERS,
} as const satisfies Fields;

export const UNBIND = {
  app: { form: 'app-name', json: 'appName', kind: 'text', required: true },
} as const satisfies Fields;

/** Of the broker's webhook, whose body is ours. */
export const EVENT = {
  changedApp: { form: 'app', json: 'app', kind: 'text', required: true },
  kind: { form: 'kind', json: 'kind', kind: 'text', required: true },
} as const satisfies Fields;

/** Longer than any name that Tsuru takes. */
const LONGEST_TEXT = 1_000;
/** Names are reported in sentences, which are one line, and asked for in addresses, which no half of a character can be in. */
const ONE_LINE = '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ud800-\\udfff]*$';

/** What is allowed in a text, in both encodings. */
export const TEXT_SCHEMA = { type: 'string', maxLength: LONGEST_TEXT, pattern: ONE_LINE } as const;

/** The schema of what `normalise` makes of a body. */
export function schemaOf(fields: Fields): Record<string, unknown> {
  const schemas = { text: TEXT_SCHEMA, parameters: { type: 'object' } };
  const named = Object.entries(fields);
  return {
    type: 'object',
    properties: Object.fromEntries(named.map(([name, { kind }]) => [name, schemas[kind]])),
    required: named.filter(([, { required }]) => required === true).map(([name]) => name),
    additionalProperties: false,
  };
}

/** What a sender calls it: `app-name (appName in JSON)`; what is no field of ours stays as it is. */
export function keysOf(name: string): string {
  const fields: Fields = { ...CREATE, ...BIND, ...EVENT };
  const { form, json, kind } = fields[name] ?? { form: name, json: name, kind: 'text' };
  return kind === 'parameters' || form === json ? json : `${form} (${json} in JSON)`;
}

/** One object of both encodings. What is absent, null or '' in either is left out. */
export function normalise(body: RawBody | undefined, fields: Fields): Record<string, unknown> {
  const read = readerOf(body);
  const values = Object.entries(fields).map(([name, field]) => [name, read(field)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined && value !== null && value !== ''));
}

function readerOf(body: RawBody | undefined): (field: Field) => unknown {
  if (body === undefined) return () => undefined;
  if (body.encoding === 'form') {
    const form = groupsOf(body.form);
    return (field) => formValue(form, field);
  }
  const { json } = body;
  if (!isObject(json)) throw new BrokerError(400, 'The body is no JSON object.');
  return ({ json: key }) => (Object.hasOwn(json, key) ? json[key] : undefined);
}

/** The values of each key. */
type Form = ReadonlyMap<string, readonly string[]>;

function groupsOf(form: URLSearchParams): Form {
  const groups = Map.groupBy(form, ([key]) => key);
  return new Map([...groups].map(([key, pairs]) => [key, pairs.map(([, value]) => value)]));
}

function formValue(form: Form, { form: key, kind }: Field): unknown {
  if (kind === 'text') return single(form.get(key) ?? []);
  const given = [...form].filter(([name]) => name.startsWith(key) && name.length > key.length);
  if (given.length === 0) return undefined;
  return Object.fromEntries(given.map(([name, values]) => [name.slice(key.length), single(values)]));
}

/** A text that is given more than once is refused by the schema. */
function single(values: readonly string[]): unknown {
  return values.length > 1 ? values : values[0];
}
