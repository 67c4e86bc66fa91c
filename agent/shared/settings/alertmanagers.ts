import {
  AUTHENTICATION_FIELDS,
  readAuthentication,
  readUrl,
  secretAdvice,
  writeAuthentication,
  type Authentication,
} from './endpoint.ts';
import type { Kind } from './kinds.ts';
import { asEndpoint, readEndpoints } from './lists.ts';
import type { Node } from './node.ts';
import type { Place } from './problems.ts';
import { readFields, whole } from './structure.ts';

export interface Alertmanager {
  /** http or https, host, port and path. */
  readonly url: string;
  readonly authentication?: Authentication;
}

export const alertmanagers: Kind<readonly Alertmanager[]> = {
  range: 'URLs or YAML',
  write: (value) => value.map(({ url, authentication }) => ({ url, ...writeAuthentication(authentication) })),
  read(node, place) {
    const read = readEndpoints(node, place)?.map((item, index) => readOne(asEndpoint(item), place.at(`[${index}]`)));
    const all = read === undefined ? undefined : whole(read);
    if (all === undefined) return undefined;
    if (new Set(all.map(({ url }) => url)).size === all.length) return all;
    place.say('has an Alertmanager twice: give each URL once.');
    return undefined;
  },
};

function readOne(node: Node, place: Place): Alertmanager | undefined {
  const fields = readFields(node, place, ['url', ...AUTHENTICATION_FIELDS], secretAdvice);
  if (fields === undefined) return undefined;
  const authentication = readAuthentication(fields, place);
  if (fields.url === undefined) {
    place.say('has no url.', node);
    return undefined;
  }
  const url = readUrl(fields.url, place.at('.url'));
  if (url?.includes('?') === true) {
    place.at('.url').say('has a query, which Prometheus cannot send to an Alertmanager: leave it out.', fields.url);
    return undefined;
  }
  if (url === undefined || authentication === false) return undefined;
  return { url, ...(authentication === undefined ? {} : { authentication }) };
}
