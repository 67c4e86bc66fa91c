import { count } from '../shared/text.ts';
import type { FailureKind } from './observation.ts';

/** How each kind is reported. A sentence names what fails and its last error first, as what shows it may cut its end. */
interface Words {
  /** The subject and its verb, in front of the error. */
  readonly fails: (name: string) => string;
  readonly works: (name: string) => string;
  readonly remedy: (error: string) => string;
  /** Several of them, as `count` needs it. */
  readonly noun: string;
}

const CREDENTIALS = 'check the secret in the variable that the setting names ("tsuru env-set -p")';
const IS_REFUSED_ACCESS = /\b(?:status|HTTP status) 40[13]\b/;
const IS_REFUSED = /\b(?:status|HTTP status) 4\d\d\b/;

const WORDS: Readonly<Record<FailureKind, Words>> = {
  alertmanager: {
    fails: (name) => `sending alerts to Alertmanager ${name} fails`,
    works: (name) => `Alertmanager ${name} accepts alerts again`,
    remedy: (error) =>
      IS_REFUSED_ACCESS.test(error) ? CREDENTIALS : 'check that it runs and its URL in the setting alertmanagers',
    noun: 'more Alertmanager',
  },
  remote_write: {
    fails: (name) => `remote_write to ${name} fails`,
    works: (name) => `remote_write to ${name} works again`,
    remedy(error) {
      if (IS_REFUSED_ACCESS.test(error)) return `samples are lost: ${CREDENTIALS}`;
      if (IS_REFUSED.test(error)) return 'samples are lost: check its URL in the setting remote_write';
      return 'check that it runs and its URL in the setting remote_write';
    },
    noun: 'more remote_write',
  },
  rule: {
    fails: (name) => `rule ${name} fails`,
    works: (name) => `rule ${name} is evaluated again`,
    remedy: (error) =>
      /too many samples|timed out/.test(error)
        ? 'select fewer series or a shorter range in the setting rules'
        : 'correct it in the setting rules',
    noun: 'more rule',
  },
  rule_group: {
    fails: (name) => `rule group ${name} misses evaluations`,
    works: (name) => `rule group ${name} is evaluated in time again`,
    remedy: () => 'raise its interval, or split it into several groups',
    noun: 'more rule group',
  },
  limit: {
    fails: (name) => `targets of the job ${name} are dropped`,
    works: (name) => `the targets of the job ${name} are within their limits again`,
    remedy: () => 'expose less, or ask an administrator to raise the limit in the base configuration',
    noun: 'more job',
  },
  query: {
    fails: (name) => `queries are stopped by ${name}`,
    works: (name) => `no query is stopped by ${name} any more`,
    remedy: () => 'ask for fewer series, a shorter range or a longer step',
    noun: 'more limit',
  },
};

export function failureText(kind: FailureKind, name: string, error: string): string {
  const { fails, remedy } = WORDS[kind];
  return `${fails(name)}: ${error}; ${remedy(error)}`;
}

/** Those beyond the ones that are reported one by one. */
export function moreText(kind: FailureKind, more: number): string {
  const { noun } = WORDS[kind];
  return `${count(more, noun)} ${more === 1 ? 'fails' : 'fail'} as well`;
}

export type FailureEnd = 'works' | 'gone' | 'quiet';

export function endText(kind: FailureKind, name: string, end: FailureEnd, quiet: string): string {
  const { fails, works } = WORDS[kind];
  switch (end) {
    case 'works':
      return works(name);
    case 'gone':
      return `"${fails(name)}" ends, as it is no longer configured`;
    case 'quiet':
      return `"${fails(name)}" ends, as it was not tried for ${quiet}`;
  }
}
