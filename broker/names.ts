import { createHash } from 'node:crypto';
import { namesInTag, TAG } from '../agent/shared/own-annotations.ts';

/** Tsuru's limit on names of apps, volumes and tokens. */
const LONGEST = 40;
/** 32 bits: what collides by accident is found by the tag, and refused. */
const HASH_CHARACTERS = 8;
const ENDS_LIKE_A_HASH = new RegExp(`-[0-9a-f]{${HASH_CHARACTERS}}$`);
/** What Tsuru takes for an instance of a service. */
export const INSTANCE_NAME = '^[A-Za-z][-a-zA-Z0-9_]+$';
const VALID_INSTANCE = new RegExp(INSTANCE_NAME);

export interface InstanceId {
  readonly service: string;
  readonly instance: string;
}

/** The names of an instance's parts in Tsuru. */
export interface Names {
  /** Of app, volume and token. */
  readonly part: string;
  /** On the app and the token: whose they are. */
  readonly tag: string;
  /** The app's. */
  readonly tags: readonly string[];
}

export function namesOf({ service, instance }: InstanceId): Names {
  const wanted = `${service}-${instance}`;
  const mapped = wanted.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-');
  const tag = `${TAG}${service}/${instance}`;
  // Tsuru makes labels of names, and no label of Kubernetes may end with a dash.
  const isLossless = mapped === wanted && mapped.length <= LONGEST && /^[a-z].*[a-z0-9]$/.test(mapped);
  // A name that looks like one with a hash gets one of its own, so that it is unique.
  const part = isLossless && !ENDS_LIKE_A_HASH.test(mapped) ? mapped : hashedName({ service, instance }, mapped);
  // Tsuru and its router make a label of each tag, key and value, and look at the key alone (provision/labels.go): with the slash of the
  // first every deploy would be refused. Of two tags with one key the last is the label, and this one is a label's value.
  return { part, tag, tags: [tag, `${TAG}${part}`] };
}

/** What the names of all parts of a service's instances begin with. */
export function commonStart(service: string): string {
  return startOf(`${service}-`);
}

function hashedName({ service, instance }: InstanceId, mapped: string): string {
  const hash = createHash('sha256').update(`${service}/${instance}`).digest('hex').slice(0, HASH_CHARACTERS);
  return `${startOf(mapped.replace(/^[^a-z]+/, '')) || 'prometheus'}-${hash}`;
}

/** So much of a name that a hash can follow. */
function startOf(name: string): string {
  return name.slice(0, LONGEST - HASH_CHARACTERS - 1).replace(/-+$/, '');
}

/** Whose a part with these tags is; undefined when it is of no instance. */
export function ownerOf(tags: readonly string[]): InstanceId | undefined {
  const id = tags.map(namesInTag).find((names) => names !== undefined);
  return id !== undefined && VALID_INSTANCE.test(id.instance) ? id : undefined;
}

export function isInstanceName(name: string): boolean {
  return VALID_INSTANCE.test(name);
}
