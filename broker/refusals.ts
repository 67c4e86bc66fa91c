import { TsuruError } from '../agent/shared/tsuru.ts';
import { BrokerError } from './errors.ts';
import { isLocked } from './tsuru/locked.ts';
import { PERMISSIONS } from './tsuru/permissions.ts';

/** What a call was about, to name it in the sentence. */
export interface Subject {
  readonly app: string;
  readonly team: string;
  /** '': Tsuru's default. */
  readonly pool: string;
  /** The service's plan, and the plan of Tsuru's that it stands for. */
  readonly plan: string;
  readonly tsuruPlan: string;
  readonly volumePlan: string;
}

/** Of what is about an app and nothing more. */
export function subjectOf(app: string): Subject {
  return { app, team: '', pool: '', plan: '', tsuruPlan: '', volumePlan: '' };
}

/** Tsuru's refusals, each with a sentence that says what to do. */
const REFUSALS: readonly {
  readonly words: RegExp;
  readonly status: number;
  readonly say: (subject: Subject, match: RegExpExecArray) => string;
}[] = [
  {
    words: /quota exceeded/i,
    status: 403,
    say: ({ team }) =>
      `The team ${team} has as many apps as its quota allows: remove one, or ask an administrator to raise the quota ("tsuru team-quota-change").`,
  },
  {
    words: /has no access to pool/i,
    status: 403,
    say: ({ team, pool }) =>
      `The team ${team} may not use ${poolText(pool)}: choose another one with --plan-param pool=NAME, or ask an administrator for access.`,
  },
  {
    // Of two pools or more that are the team's, Tsuru takes none by itself.
    words: /have access to (.+) pools\. please choose one/i,
    status: 400,
    say: ({ team }, match) =>
      `The team ${team} has several pools: choose one with --plan-param pool=NAME (${(match[1] ?? '').replaceAll('"', '')}).`,
  },
  {
    words: /plan .*is not allowed on pool/i,
    status: 400,
    say: ({ plan, tsuruPlan, pool }) =>
      `The plan ${plan} is Tsuru's ${tsuruPlan}, which is not allowed in ${poolText(pool)}: choose another plan or pool.`,
  },
  {
    words: /volume[- ]plan/i,
    status: 400,
    say: ({ plan, volumePlan, pool }) =>
      `The plan ${plan} keeps its data in a volume of the plan ${volumePlan}, which is not allowed in ${poolText(pool)} or does not exist: choose another plan or pool, or tell an administrator.`,
  },
  {
    words: /(capacity|access-modes) is mandatory/i,
    status: 500,
    say: ({ volumePlan }, match) =>
      `The volume plan ${volumePlan} says no ${match[1] ?? ''}: an administrator has to add it to Tsuru's configuration.`,
  },
  {
    // The disk of an earlier unit is there until Kubernetes has removed it.
    words: /updating a volume already provisioned/i,
    status: 503,
    say: ({ app }) => `The disk of an earlier ${app} is still being removed: try again in a minute.`,
  },
  {
    words: /pool does not exist/i,
    status: 400,
    say: ({ pool }) =>
      `There is no pool${pool === '' ? ' that is the default' : ` ${pool}`}: choose one of "tsuru pool-list" with --plan-param pool=NAME.`,
  },
  {
    words: /no (default )?router found/i,
    status: 400,
    say: ({ pool }) => `No router is allowed in ${poolText(pool)}: choose another pool, or ask an administrator.`,
  },
  {
    words: /plan not found/i,
    status: 500,
    say: ({ plan, tsuruPlan }) =>
      `The plan ${plan} is Tsuru's ${tsuruPlan}, which does not exist: an administrator has to correct the service's plans.`,
  },
  { words: /team not found/i, status: 400, say: ({ team }) => `There is no team ${team}.` },
  {
    // `block app.deploy by all users on all targets: maintenance`
    words: /\bblock (?:all actions|[\w.-]+) by .+? on [^:]+: *(.*)$/i,
    status: 503,
    say: (_subject, match) =>
      `An administrator has blocked this for the time being (${(match[1] ?? '').trim() || 'no reason is given'}): try again later.`,
  },
  {
    words: /timeout waiting (full rollout|healthcheck)/i,
    status: 500,
    say: ({ app }) => `The new unit of ${app} was not ready in time: see "tsuru app-log -a ${app}".`,
  },
  {
    words: /event throttled/i,
    status: 503,
    say: () => 'Tsuru has had too many changes of this kind in a short time: try again in some minutes.',
  },
  {
    words:
      /failed to pull|failed to resolve reference|image .*not found|manifest unknown|pull access denied|ImagePullBackOff|ErrImagePull/i,
    status: 500,
    say: () => "The service's image cannot be pulled: tell an administrator.",
  },
];

/** An error of Tsuru's as a user should read it: one sentence about what was to be done. Others stay what they are. */
export function refusal(error: unknown, doing: string, subject: Subject): unknown {
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new BrokerError(503, `It took too long to ${doing}: try again.`, error);
  }
  if (!(error instanceof TsuruError)) return error;
  if (isLocked(error)) return new BrokerError(503, lockedBy(error.words, subject), error);
  for (const { words, status, say } of REFUSALS) {
    const match = words.exec(error.words);
    if (match !== null) return new BrokerError(status, say(subject, match), error);
  }
  return new BrokerError(statusOf(error), sentenceOf(error, doing), error);
}

/** Tsuru names what it has locked: `event locked: role(prometheus-reader) running "role.update.assign" start by ...`. */
function lockedBy(words: string, { app }: Subject): string {
  const [, kind = 'app', name = app] = /event locked: (\w+)\(([^)]+)\)/i.exec(words) ?? [];
  const example = kind === 'app' ? ', such as a deploy,' : '';
  return `Another change of the ${kind} ${name}${example} is still under way: try again in a minute.`;
}

function statusOf({ failure }: TsuruError): number {
  return failure === 'refused' ? 400 : failure === 'network' || failure === 'timeout' ? 503 : 500;
}

function sentenceOf({ failure, call, words }: TsuruError, doing: string): string {
  switch (failure) {
    case 'network':
    case 'timeout':
      return `Tsuru did not answer when asked to ${doing}: try again.`;
    case 'unauthorized':
      return `Tsuru did not accept the service's own token when asked to ${doing}: tell an administrator.`;
    case 'forbidden':
      return `The service's own token lacks ${permissionText(call)}, without which it cannot ${doing}: tell an administrator.`;
    case 'redirected':
      return `Tsuru answered with a redirect when the service asked to ${doing}: tell an administrator of the service to look at its TSURU_HOST (${words}).`;
    case 'refused':
      return `Tsuru refused to ${doing}: ${words.replace(/[.\s]+$/, '')}.`;
    case 'bad_answer':
    case 'too_large':
      return `Tsuru's answer was invalid when asked to ${doing}: try again, and tell an administrator if it fails again.`;
    default:
      return `Tsuru failed to ${doing}: try again, and tell an administrator if it fails again.`;
  }
}

/** Tsuru does not say which of them is missing. */
function permissionText(call: string): string {
  const needed = PERMISSIONS[call] ?? [];
  return needed.length === 0
    ? `a permission for the call ${call}`
    : `the permission ${needed.join(' or ')} for the call ${call}`;
}

function poolText(pool: string): string {
  return pool === '' ? "Tsuru's default pool" : `the pool ${pool}`;
}
