import { compareText } from '../text.ts';
import { readEnv, secretAdvice } from './endpoint.ts';
import type { Json, Node } from './node.ts';
import { shown, type Place } from './problems.ts';
import { readEntries, readFields, readText, whole } from './structure.ts';

/** What a header holds: a plain text, or what a variable of the instance's app holds. */
export type HeaderValue =
  { readonly kind: 'plain'; readonly text: string } | { readonly kind: 'secret'; readonly env: string };

/** By the header's name. */
export type Headers = Readonly<Record<string, HeaderValue>>;

/** Headers that Prometheus sets itself, and refuses in its configuration. */
const PROMETHEUS_HEADERS =
  /^(?:host|content-.*|accept-encoding|user-agent|connection|keep-alive|proxy-.*|www-authenticate|transfer-encoding|te|trailer|upgrade|x-prometheus-.*|x-amz-.*)$/;
/** Headers that name a tenant, a database or a kind of data. No other is taken in plain text: a secret looks like any word. */
const PLAIN_HEADERS = [
  'AccountID',
  'M3-Metrics-Type',
  'M3-Storage-Policy',
  'ProjectID',
  'THANOS-TENANT',
  'X-Greptime-DB-Name',
  'X-Honeycomb-Dataset',
  'X-Scope-OrgID',
  'X-Tenant',
  'X-Tenant-ID',
];

export function readHeaders(node: Node, place: Place): Headers | undefined {
  const entries = readEntries(node, place, 'a map of names and values');
  if (entries === undefined) return undefined;
  const headers = whole(entries.map(([name, value]) => readHeader(name, value, place)));
  if (headers === undefined) return undefined;
  const names = headers.map(([name]) => name.toLowerCase());
  const twice = headers.find(([name], index) => names.indexOf(name.toLowerCase()) !== index);
  if (twice !== undefined) {
    place.say(`has ${shown(twice[0])} twice: give it once.`, node);
    return undefined;
  }
  return Object.fromEntries([...headers].sort(([a], [b]) => compareText(a, b)));
}

function readHeader(name: string, node: Node, place: Place): readonly [string, HeaderValue] | undefined {
  const lower = name.toLowerCase();
  if (!/^[A-Za-z0-9-]{1,100}$/.test(name)) {
    place.say(`has ${shown(name)}, which is no header's name: it must be letters, digits and -.`, node);
  } else if (lower === 'authorization') {
    place.say(`has ${shown(name)}: use basic_auth or authorization instead.`, node);
  } else if (PROMETHEUS_HEADERS.test(lower)) {
    place.say(`has ${shown(name)}, which Prometheus sets itself: leave it out.`, node);
  } else if (node.kind === 'map') {
    const fields = readFields(node, place.at(`.${name}`), ['env'], secretAdvice);
    const env = fields === undefined ? undefined : readEnv(fields.env, node, place.at(`.${name}`), 'env');
    return env === undefined ? undefined : [name, { kind: 'secret', env }];
  } else if (!PLAIN_HEADERS.some((plain) => plain.toLowerCase() === lower)) {
    place.say(
      `has ${shown(name)} in plain text, and settings are no place for a secret: put its value in an environment variable of the ` +
        `instance's app ("tsuru env-set -p") and write {env: NAME} instead. In plain text there can be ${PLAIN_HEADERS.join(', ')}.`,
      node,
    );
  } else {
    const text = readText(node, place.at(`.${name}`), 'a text');
    if (text === undefined) return undefined;
    if (/^[\x20-\x7e]*$/.test(text)) return [name, { kind: 'plain', text }];
    place.at(`.${name}`).say('can hold only visible ASCII characters and spaces.', node);
  }
  return undefined;
}

export function writeHeaders(headers: Headers): Readonly<Record<string, Json>> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, value.kind === 'plain' ? value.text : { env: value.env }]),
  );
}
