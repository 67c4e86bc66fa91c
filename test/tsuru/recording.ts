// The recording of a real tsurud (test/recorded/client-api.json), and how an answer is compared with it.
import { readFile } from 'node:fs/promises';
import type { Form, Reply } from './client.ts';

export interface Exchange {
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly json?: unknown;
    readonly form?: Form['form'];
  };
  readonly response: {
    readonly status: number;
    readonly contentType?: string;
    readonly json?: unknown;
    readonly body?: string;
  };
}

/** What stands for something longer in the recording. */
const LONG_TEXTS = new Map([
  ['<300000 times x>', 'x'.repeat(300_000)],
  ['<2,900 characters of JSON with newlines in its strings>', longSettings()],
  ['<the same>', longSettings()],
]);

/** Values that differ from one run to the next, by their key: only their type is compared. */
const VARYING = new Set([
  ...['CreatedAt', 'Timestamp', 'Date', 'created_at', 'last_access', 'token'],
  ...['ID', 'InternalIP', 'HostAddr', 'Host', 'Unit'],
  // The recording's provisioner counted these in a way of its own.
  ...['Version', 'Restarts'],
]);

/** What the client prints of a stream: the messages, one after the other. */
export function messagesOf({ contentType, body }: Reply): string {
  if (contentType === 'text') return body;
  const lines = body.trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as { Message: string }).Message).join('');
}

/** What the client printed of a stream, which writes a time before each line. */
export function withoutTimes(output: string): string {
  return output.replaceAll('<time>: ', '');
}

/** The rows of a table that the client printed, without its head. */
export function tableOf(output: string): string[][] {
  const rows = output.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(1).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

export async function readExchanges(): Promise<Exchange[]> {
  return JSON.parse(await readFile(new URL('../recorded/client-api.json', import.meta.url), 'utf8')) as Exchange[];
}

/** The exchange with its placeholders replaced: tokens by those of this run, long texts by themselves. */
export function filledIn(exchange: Exchange, tokens: ReadonlyMap<string, string>): Exchange {
  const replace = (value: unknown): unknown => {
    if (typeof value === 'string') return tokens.get(value) ?? LONG_TEXTS.get(value) ?? value;
    if (Array.isArray(value)) return value.map(replace);
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replace(item)]));
  };
  return replace(exchange) as Exchange;
}

/** JSON as the recording's client wrote it: an error quotes it to the letter. */
export function writtenJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(writtenJson).join(', ')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${writtenJson(item)}`);
  return `{${fields.join(', ')}}`;
}

/** In what an answer differs from the recorded one: 'status', 'contentType', 'body', 'json.units[0].IP', ... */
export function differences(recorded: Exchange['response'], answered: Reply): string[] {
  const outside = [
    ...(answered.status === recorded.status ? [] : ['status']),
    ...(answered.contentType === (recorded.contentType ?? '') ? [] : ['contentType']),
  ];
  if (recorded.json !== undefined && outside.length === 0) {
    return unlike('json', normal('', recorded.json), normal('', JSON.parse(answered.body)));
  }
  const isSame = withTimesHidden(recorded.body ?? '') === withTimesHidden(answered.body);
  return isSame ? outside : [...outside, 'body'];
}

function withTimesHidden(text: string): string {
  return text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>');
}

/** Varying values become their type, and lists are sorted: Tsuru sorts none. */
function normal(key: string, value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => normal('', item));
    return items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (isObject(value)) {
    const isLogOrUnit = 'ProcessName' in value || 'Source' in value;
    return Object.fromEntries(
      Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, item]) => [
          name,
          isLogOrUnit && ['Name', 'Message'].includes(name) ? typeof item : normal(name, item),
        ]),
    );
  }
  if (VARYING.has(key)) return value === null ? null : typeof value;
  return value;
}

function unlike(path: string, recorded: unknown, answered: unknown): string[] {
  if (Array.isArray(recorded) && Array.isArray(answered)) {
    if (recorded.length !== answered.length) return [path];
    return recorded.flatMap((item, i) => unlike(`${path}[${i}]`, item, answered[i]));
  }
  if (isObject(recorded) && isObject(answered)) {
    const keys = new Set([...Object.keys(recorded), ...Object.keys(answered)]);
    return [...keys].flatMap((key) => unlike(`${path}.${key}`, recorded[key], answered[key]));
  }
  return recorded === answered ? [] : [path];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Settings such as the broker will write: JSON whose strings hold newlines. */
function longSettings(): string {
  return JSON.stringify({ retention: '15d', rules: 'groups:\n- name: shop\n'.repeat(120) });
}
