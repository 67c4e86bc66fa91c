import type { Context } from '../context.ts';
import { BrokerError } from '../errors.ts';
import type { Requester } from '../instances/parts/instance.ts';
import { isInstanceName } from '../names.ts';
import type { Parameters } from '../plans/parameters.ts';
import type { Fields } from './bodies.ts';

/** A request, read. */
export interface Asked {
  readonly context: Context;
  /** Of the instance; '' where the route has none. */
  readonly name: string;
  /** As the route's fields say. */
  readonly body: Body;
  /** Of the instance, of a multi-cluster service. */
  readonly pool: string;
  readonly requester: Requester;
}

export interface Body {
  readonly name?: string;
  readonly team?: string;
  readonly plan?: string;
  readonly app?: string;
  readonly pool?: string;
  readonly cluster?: string;
  /** Of an event of Tsuru. */
  readonly changedApp?: string;
  readonly kind?: string;
  readonly parameters?: Parameters;
}

export type Answer =
  { readonly status: number; readonly text: string } | { readonly status: number; readonly json: unknown };

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  /** What opens it: the service's user and password, or the token of webhooks, which opens nothing else. */
  readonly secret?: 'events token';
  readonly fields?: Fields;
  /** Statuses of answers that are no errors. */
  readonly answers: Readonly<Record<number, string>>;
  /** Without it they are plain text. */
  readonly isJson?: boolean;
  readonly answer: (asked: Asked) => Promise<Answer> | Answer;
}

/** The path of an instance. */
export const INSTANCE = '/resources/:name';

/** @throws {BrokerError} when no instance can have this name. */
export function assertName(name: string): string {
  if (isInstanceName(name)) return name;
  throw new BrokerError(
    400,
    'The name of an instance starts with a letter and has at least two letters, digits, - or _.',
  );
}
