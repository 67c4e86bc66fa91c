import { count, shortLine } from '../../agent/shared/text.ts';
import type { InstanceId } from '../names.ts';
import type { App } from '../tsuru/app.ts';
import { deployReason } from '../tsuru/deploy-reason.ts';
import { targetsIn, type AgentStatus } from './agent-status.ts';
import type { Facts } from './gather.ts';
import { deployOf } from './parts/instance.ts';
import { shortProblem } from './problem.ts';

/**
 * The state of an instance. Texts are one line, which Tsuru puts behind `Service instance "x" is`: each completes that sentence and names the
 * command that helps. A degraded instance scrapes and answers, so that its status ends in "it is up" (statusText).
 */
export type Assessment =
  | { readonly kind: 'up' }
  | { readonly kind: 'deploying' }
  | { readonly kind: 'trouble'; readonly text: string }
  /** With its problems one by one, but for targets that are down. */
  | { readonly kind: 'degraded'; readonly text: string; readonly problems: readonly string[] };

/** Two lines of a terminal, with Tsuru's message before. */
const LONGEST_STATUS = 200;
/** Of a problem in it, so that the command behind it fits. */
const LONGEST_PROBLEM = 110;
/** Of a name that is random at its end. */
const SUFFIX_CHARACTERS = 5;
const DEGRADED = 'degraded: ';
/** Terraform waits for a status that ends so. */
const IS_UP = '; it is up';
/** Of the text between these two. */
const LONGEST_DEGRADED = LONGEST_STATUS - DEGRADED.length - IS_UP.length;

/** The whole text of a degraded or broken instance's status. */
export function statusText({ kind, text }: Exclude<Assessment, { readonly kind: 'up' | 'deploying' }>): string {
  if (kind === 'trouble') return shortLine(text, LONGEST_STATUS);
  return `${DEGRADED}${shortLine(text, LONGEST_DEGRADED)}${IS_UP}`;
}

/** What is wrong, besides targets that are down; nothing of an instance that is up. */
export function problemsIn(assessment: Assessment): readonly string[] {
  switch (assessment.kind) {
    case 'up':
      return [];
    case 'deploying':
      return ['it is being deployed'];
    case 'degraded':
      return assessment.problems;
    case 'trouble':
      return [assessment.text];
  }
}

export function assess(facts: Facts, part: string, id: InstanceId): Assessment {
  const { app, deploy, agent } = facts;
  if (app.kind === 'unknown') return untold();
  const own = app.value;
  if (own === undefined) {
    const remove = command('remove', id);
    return trouble(`gone: its app ${part} was removed, or belongs to somebody else; run ${remove} and add it again`);
  }
  if (own.unitsError !== '') return withoutUnitList(own, agent);
  const lastDeploy = deploy.kind === 'known' ? deployOf(own, deploy.value) : undefined;
  const isDeploying = lastDeploy?.isRunning === true;
  const isNeverDeployed = deploy.kind === 'known' && lastDeploy === undefined;
  const deployError = lastDeploy?.error ?? '';
  // The units of a change under way are two for a while, of a first deploy none: what is known of it says which.
  const ready = own.units.filter(({ isReady }) => isReady);
  if (deploy.kind === 'unknown' && ready.length === 0) return untold();
  if (own.units.length === 0) return withoutUnits(own, id, lastDeploy, isDeploying || isNeverDeployed);
  if (ready.length === 0) return isDeploying ? { kind: 'deploying' } : crashing(own, id);
  if (ready.length > 1 && deploy.kind === 'known' && !isDeploying) {
    const more = `${ready.length} units hold separate data behind one address`;
    return degraded(`${more}; run "tsuru unit-remove ${ready.length - 1} -a ${part}"`);
  }
  if (deployError !== '') {
    return degraded(`the last deploy failed, and the version before keeps running (${deployReason(deployError)})`);
  }
  switch (agent?.kind) {
    case undefined:
      return notAsked(facts);
    case 'refused':
      if (facts.outdated === undefined)
        return trouble('not answering: what stands before it wants another password; ask an administrator');
      return trouble(`in need of a restart: it rejects its own password; ${restartWith(own, id)}`);
    case 'unknown':
      return untold();
    case 'silent':
      if (isDeploying) return { kind: 'deploying' };
      return trouble(cutBetween('not answering (', agent.reason, `): see "tsuru app-log -a ${part}"`));
    case 'answered':
      if (facts.outdated !== undefined)
        return degraded(`its unit has an old ${facts.outdated} and follows no changes; ${restartWith(own, id)}`);
      return assessAgent(agent.status, facts, id);
  }
}

function command(verb: 'update' | 'remove' | 'info', { service, instance }: InstanceId, flags = ''): string {
  return `"tsuru service-instance-${verb} ${service} ${instance}${flags}"`;
}

/** The router may lead to a unit that Tsuru cannot list. */
function withoutUnitList({ unitsError }: App, agent: Facts['agent']): Assessment {
  const cannot = `Tsuru cannot list its units (${unitsError})`;
  if (agent?.kind === 'answered' && agent.status.ready) return degraded(`${cannot}, scraping continues`);
  return trouble(`unknown: ${cannot}; try again`);
}

function notAsked({ address, password }: Facts): Assessment {
  if (address === '')
    return trouble('unreachable: it has no address; ask an administrator whether its pool has a router');
  if (password.kind === 'unknown') return untold();
  return degraded('its password was unset; a new one is set within two minutes');
}

function withoutUnits(
  { name }: App,
  id: InstanceId,
  deploy: { readonly id: string; readonly error: string } | undefined,
  isComing: boolean,
): Assessment {
  if (isComing) return { kind: 'deploying' };
  if (deploy === undefined || deploy.error === '') return trouble(`stopped: run "tsuru app-start -a ${name}"`);
  const again = command('update', id, ` -d retry-${deploy.id.slice(-SUFFIX_CHARACTERS)}`);
  return trouble(cutBetween('not deployed: ', deployReason(deploy.error), `; run ${again} to try again`));
}

/** The update that restarts an outdated unit. Tsuru refuses an update with nothing new in it: no other unit has this name. */
function restartWith({ units }: App, id: InstanceId): string {
  const unit = units.find(({ isReady }) => isReady)?.name ?? '';
  return `run ${command('update', id, ` -d restart-${unit.slice(-SUFFIX_CHARACTERS)}`)} (its history is lost)`;
}

function crashing({ name, units }: App, id: InstanceId): Assessment {
  const reason = units.find((unit) => unit.reason !== '')?.reason ?? '';
  if (/oom/i.test(reason)) {
    return trouble(`out of memory: choose a larger plan with ${command('update', id, ' -p PLAN')}, or bind fewer apps`);
  }
  const why = reason === '' ? (units[0]?.status ?? 'unknown') : reason;
  return trouble(cutBetween('not ready: its unit reports "', why, `"; see "tsuru app-log -a ${name}"`));
}

function assessAgent(status: AgentStatus, facts: Facts, id: InstanceId): Assessment {
  const { problems, ready, apps } = status;
  const [problem] = problems;
  if (!ready) return problem === undefined ? { kind: 'deploying' } : trouble(`not ready: ${problem}`);
  const targets = apps.flatMap(({ units }) => targetsIn(units));
  const down = targets.filter(({ health }) => health === 'down').length;
  const own = problemsOf(status, facts);
  const [first, ...others] = [
    ...(down > 0 ? [`${down} of ${count(targets.length, 'target')} ${down === 1 ? 'is' : 'are'} down`] : []),
    ...own,
  ];
  if (first === undefined) return { kind: 'up' };
  const more = others.length > 0 ? ` (and ${count(others.length, 'more problem')})` : '';
  const rest = `${more}; see ${command('info', id)}`;
  return degraded(`${shortProblem(first, Math.min(LONGEST_PROBLEM, LONGEST_DEGRADED - rest.length))}${rest}`, own);
}

/** What is wrong with an instance that scrapes, besides its targets. */
function problemsOf({ problems, sync }: AgentStatus, { lostGrants }: Facts): readonly string[] {
  return [
    ...lostGrants.map((app) => `it may not read ${app}: the grant was taken away, and comes back within two minutes`),
    ...problems,
    // Out of sync for a moment is what every change is: the agent says when it lasts.
    ...(sync.problem === undefined
      ? []
      : [`the latest targets are not loaded (${sync.problem}), the ones before are scraped`]),
  ];
}

function untold(): Assessment {
  return trouble('unknown: Tsuru did not answer in time; try again');
}

/** Cuts what comes from elsewhere, so that the command behind it stays whole. */
function cutBetween(start: string, middle: string, end: string): string {
  return `${start}${shortLine(middle, LONGEST_STATUS - start.length - end.length)}${end}`;
}

function trouble(text: string): Assessment {
  return { kind: 'trouble', text };
}

function degraded(text: string, problems: readonly string[] = [text]): Assessment {
  return { kind: 'degraded', text, problems };
}
