import { createHash } from 'node:crypto';

/** Tsuru's limit on names of apps, volumes and tokens. */
const LONGEST = 40;
/** 32 bits: what collides by accident is found by the tag, and refused. */
const HASH_CHARACTERS = 8;
const ENDS_LIKE_A_HASH = new RegExp(`-[0-9a-f]{${HASH_CHARACTERS}}$`);
const TAG = 'prometheus-instance=';

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
  /** On the app, the volume and the token: whose they are. */
  readonly tag: string;
}

export function namesOf({ service, instance }: InstanceId): Names {
  const wanted = `${service}-${instance}`;
  const mapped = wanted.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-');
  const tag = `${TAG}${service}/${instance}`;
  const isLossless = mapped === wanted && mapped.length <= LONGEST && /^[a-z]/.test(mapped);
  // A name that looks like one with a hash gets one of its own, so that it is nobody else's.
  if (isLossless && !ENDS_LIKE_A_HASH.test(mapped)) return { part: mapped, tag };
  const hash = createHash('sha256').update(`${service}/${instance}`).digest('hex').slice(0, HASH_CHARACTERS);
  const start = mapped.replace(/^[^a-z]+/, '').slice(0, LONGEST - HASH_CHARACTERS - 1);
  return { part: `${start.replace(/-+$/, '') || 'prometheus'}-${hash}`, tag };
}

/** Whose a part with these tags is; undefined when it is of no instance. */
export function ownerOf(tags: readonly string[]): InstanceId | undefined {
  const tag = tags.find((candidate) => candidate.startsWith(TAG))?.slice(TAG.length);
  const slash = tag?.lastIndexOf('/') ?? -1;
  if (tag === undefined || slash < 1) return undefined;
  const id = { service: tag.slice(0, slash), instance: tag.slice(slash + 1) };
  return VALID_INSTANCE.test(id.instance) ? id : undefined;
}

export function isInstanceName(name: string): boolean {
  return VALID_INSTANCE.test(name);
}
