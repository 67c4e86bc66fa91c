import {
  AUTHENTICATION_FIELDS,
  readAuthentication,
  readUrl,
  secretAdvice,
  writeAuthentication,
  type Authentication,
} from './endpoint.ts';
import { readHeaders, writeHeaders, type Headers } from './headers.ts';
import { asEndpoint, readEndpoints } from './lists.ts';
import type { Json, Node } from './node.ts';
import { shown, type Place } from './problems.ts';
import { readRelabelConfig, type RelabelConfig } from './relabel.ts';
import { choice, type Kind } from './kinds.ts';
import { STORES, type Store } from './store.ts';
import { readFields, readItems, readText, whole } from './structure.ts';

export interface RemoteWrite {
  readonly url: string;
  readonly name?: string;
  /** What kind of store it is; undefined if nobody says. */
  readonly store?: Store;
  readonly authentication?: Authentication;
  readonly headers: Headers;
  /** As Prometheus' configuration takes them. */
  readonly writeRelabelConfigs: readonly RelabelConfig[];
}

const FIELDS = ['url', 'name', 'store', ...AUTHENTICATION_FIELDS, 'headers', 'write_relabel_configs'] as const;
const STORE = choice(...STORES);

export const remoteWrite: Kind<readonly RemoteWrite[]> = {
  range: 'URLs or YAML',
  write: (value) => value.map(writeOne),
  read(node, place) {
    const read = readEndpoints(node, place)?.map((item, index) => readOne(asEndpoint(item), place.at(`[${index}]`)));
    const all = read === undefined ? undefined : whole(read);
    if (all === undefined) return undefined;
    const names = all.flatMap(({ name }) => (name === undefined ? [] : [name]));
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) place.say(`has the name ${shown(twice)} twice: each must have its own.`);
    else if (new Set(all.map((one) => JSON.stringify(writeOne(one)))).size < all.length)
      place.say('has the same entry twice: give it once.');
    else return all;
    return undefined;
  },
};

function writeOne(remote: RemoteWrite): Json {
  return {
    url: remote.url,
    ...(remote.name === undefined ? {} : { name: remote.name }),
    ...(remote.store === undefined ? {} : { store: remote.store }),
    ...writeAuthentication(remote.authentication),
    ...(Object.keys(remote.headers).length === 0 ? {} : { headers: writeHeaders(remote.headers) }),
    ...(remote.writeRelabelConfigs.length === 0 ? {} : { write_relabel_configs: remote.writeRelabelConfigs }),
  };
}

function readOne(node: Node, place: Place): RemoteWrite | undefined {
  const fields = readFields(node, place, FIELDS, secretAdvice);
  if (fields === undefined) return undefined;
  const authentication = readAuthentication(fields, place);
  const headers = fields.headers === undefined ? {} : readHeaders(fields.headers, place.at('.headers'));
  const relabel = fields.write_relabel_configs;
  const writeRelabelConfigs = relabel === undefined ? [] : readRelabel(relabel, place.at('.write_relabel_configs'));
  const name = fields.name === undefined ? '' : readText(fields.name, place.at('.name'), 'a name')?.trim();
  if (name !== undefined && !/^[\w .:/-]{0,100}$/.test(name)) {
    place.at('.name').say('must be at most 100 letters, digits, spaces and _ . : / -', fields.name);
    return undefined;
  }
  const store = fields.store === undefined ? undefined : STORE.read(fields.store, place.at('.store'));
  if (fields.store !== undefined && store === undefined) return undefined;
  if (fields.url === undefined) place.say('has no url.', node);
  const url = fields.url === undefined ? undefined : readUrl(fields.url, place.at('.url'));
  if (url === undefined || name === undefined || authentication === false) return undefined;
  if (headers === undefined || writeRelabelConfigs === undefined) return undefined;
  return {
    url,
    ...(name === '' ? {} : { name }),
    ...(store === undefined ? {} : { store }),
    ...(authentication === undefined ? {} : { authentication }),
    headers,
    writeRelabelConfigs,
  };
}

function readRelabel(node: Node, place: Place): readonly RelabelConfig[] | undefined {
  const items = readItems(node, place, 'a list of maps');
  return items === undefined
    ? undefined
    : whole(items.map((item, index) => readRelabelConfig(item, place.at(`[${index}]`))));
}
