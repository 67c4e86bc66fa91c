import type { Credentials } from '../../../agent/shared/basic-auth.ts';
import { asObject, asOptionalArray, asOptionalText, ShapeError } from '../../../agent/shared/shape.ts';
import type { Context } from '../../context.ts';

/** One thing that was looked at, in one sentence; of a problem with its remedy. */
export interface Finding {
  /** Unknown: it could not be looked at, which says nothing. */
  readonly kind: 'good' | 'problem' | 'unknown';
  readonly text: string;
}

export interface CheckOptions {
  readonly context: Pick<Context, 'tsuru' | 'plans' | 'service' | 'pool' | 'image'>;
  /** Of the webhook; undefined: the broker takes no events. */
  readonly eventsToken: string | undefined;
  /** What brokers are asked with. */
  readonly auth: Credentials;
  /** The broker's own app; '' where nobody said which. */
  readonly brokerApp: string;
}

/** Finds what is wrong with one thing. May throw what Tsuru answers. */
export type Look = (options: CheckOptions, signal: AbortSignal) => Promise<readonly Finding[]>;

export function good(text: string): Finding {
  return { kind: 'good', text };
}

export function problem(text: string): Finding {
  return { kind: 'problem', text };
}

export function unknown(text: string): Finding {
  return { kind: 'unknown', text };
}

/** The names in a list of Tsuru's, of which each entry has one under this key. */
export function namesOf(list: unknown, key: string): readonly string[] {
  return asOptionalArray(list, 'the list').map((entry, index) => {
    const name = asOptionalText(asObject(entry, `entry ${index}`)[key], key);
    if (name === '') throw new ShapeError(`entry ${index} of the list has no ${key}`);
    return name;
  });
}
