import { compareText } from '../../agent/shared/text.ts';
import type { DeployEvent } from '../tsuru/api.ts';
import type { App } from '../tsuru/app.ts';
import type { Instance } from '../tsuru/instance.ts';
import type { Token } from '../tsuru/token.ts';
import { READER } from '../tsuru/grants.ts';
import { askAgent, type AgentAnswer } from './agent-status.ts';
import { ACCESS_VARIABLES, placeOf } from './agent-request.ts';
import { addressOf, isOwn, USERNAME, VARIABLES, type Operation } from './parts/instance.ts';
import { outdatedOf, type Outdated } from './outdated.ts';
import { ownToken } from './parts/token.ts';

/** What could not be asked in time, or failed, is unknown: never taken for nothing. */
export type Known<T> = { readonly kind: 'known'; readonly value: T } | { readonly kind: 'unknown' };

const UNKNOWN = { kind: 'unknown' } as const;
/** An instance answers from what it has in memory: in milliseconds, unless it hangs. */
const AGENT_LIMIT_MS = 2_000;
const LEAST_AGENT_MS = 500;

/** All that is known of an instance at one moment. */
export interface Facts {
  /** Undefined: there is none. */
  readonly app: Known<App | undefined>;
  readonly deploy: Known<DeployEvent | undefined>;
  readonly password: Known<string | undefined>;
  readonly username: string;
  /** As Tsuru lists them; by the token's grants where the list is unknown. */
  readonly boundApps: Known<readonly string[]>;
  /** Bound apps that the instance's token may not read, its own among them. */
  readonly lostGrants: readonly string[];
  /** What Tsuru stores of the instance. */
  readonly stored: Known<Instance | undefined>;
  /** Where people find it: its CNAME, or the router's. */
  readonly address: string;
  /** Undefined: there is no agent to ask yet. */
  readonly agent: AgentAnswer | undefined;
  /** What the running unit has of before; undefined: nothing, or that is not known. */
  readonly outdated: Outdated | undefined;
}

/** Asks Tsuru for everything at once, and the instance as soon as its address and password are there; takes what comes before the signal. */
export async function gatherFacts(operation: Operation): Promise<Facts> {
  const { api, id, names, signal, context } = operation;
  const env = known(api.env(names.part, ACCESS_VARIABLES), signal);
  const app = known(
    api.app(names.part).then((found) => (found !== undefined && isOwn(operation, found) ? found : undefined)),
    signal,
  );
  const deploy = known(api.lastDeploy(names.part), signal);
  const token = known(ownToken(operation), signal);
  const listed = known(
    api.instances(id.service).then((instances) => instances?.get(id.instance)),
    signal,
  );

  async function agentOf(): Promise<AgentAnswer | undefined> {
    const [own, variables] = [await app, await env];
    if (own.kind === 'unknown' || own.value === undefined || variables.kind === 'unknown') return undefined;
    const place = placeOf(context.instanceUrl, own.value, variables.value);
    if (place === undefined) return undefined;
    const askedMs = context.clock.nowMs();
    const limit = AbortSignal.any([signal, AbortSignal.timeout(AGENT_LIMIT_MS)]);
    const answer = await askAgent(place, limit);
    // Whoever was asked too late is not to blame.
    const wasAskedLate = signal.aborted && context.clock.nowMs() - askedMs < LEAST_AGENT_MS;
    return answer.kind === 'silent' && wasAskedLate ? { kind: 'unknown' } : answer;
  }

  const agent = await agentOf();
  const [ownApp, variables, ownersToken, stored] = [await app, await env, await token, await listed];
  const isThere = ownApp.kind === 'known' && ownApp.value !== undefined;
  return {
    app: ownApp,
    deploy: await deploy,
    password:
      variables.kind === 'known'
        ? // The variables of a foreign app are not read.
          { kind: 'known', value: isThere ? variables.value?.get(VARIABLES.password) : undefined }
        : variables,
    username: (variables.kind === 'known' ? variables.value?.get(VARIABLES.username) : undefined) ?? USERNAME,
    ...bindsOf(names.part, ownersToken, stored),
    stored,
    address:
      ownApp.kind === 'known' && ownApp.value !== undefined
        ? addressOf(context.instanceUrl, { ...ownApp.value, address: ownApp.value.cname || ownApp.value.address })
        : '',
    agent,
    outdated: outdatedOf(agent, ownersToken.kind === 'known' ? ownersToken.value : undefined),
  };
}

function bindsOf(
  part: string,
  token: Known<Token | undefined>,
  stored: Known<Instance | undefined>,
): Pick<Facts, 'boundApps' | 'lostGrants'> {
  const granted =
    token.kind === 'known'
      ? (token.value?.roles ?? []).filter(({ name }) => name === READER).map(({ context }) => context)
      : undefined;
  const bound = stored.kind === 'known' ? stored.value?.apps : undefined;
  if (bound === undefined) {
    const apps = granted?.filter((app) => app !== part).sort(compareText);
    return { boundApps: apps === undefined ? UNKNOWN : { kind: 'known', value: apps }, lostGrants: [] };
  }
  const lostGrants = granted === undefined ? [] : [part, ...bound].filter((app) => !granted.includes(app));
  return { boundApps: { kind: 'known', value: [...bound].sort(compareText) }, lostGrants };
}

async function known<T>(call: Promise<T>, signal: AbortSignal): Promise<Known<T>> {
  const late = Promise.withResolvers<Known<T>>();
  const stop = (): void => {
    late.resolve({ kind: 'unknown' });
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const answered = call.then(
      (value): Known<T> => ({ kind: 'known', value }),
      (): Known<T> => ({ kind: 'unknown' }),
    );
    return await Promise.race([answered, late.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
