import { count, shortLine } from '../../agent/shared/text.ts';
import type { App } from '../tsuru/app.ts';
import type { AgentStatus } from './agent-status.ts';
import type { Facts } from './gather.ts';
import { deployOf } from './instance.ts';

/** How an instance fares. Texts are one line: what is wrong, and what to do. */
export type Assessment =
  | { readonly kind: 'up' }
  | { readonly kind: 'deploying' }
  | { readonly kind: 'trouble' | 'down'; readonly text: string };

/** Long enough for the point of a deploy's error. */
const LONGEST_TEXT = 400;

export function assess(facts: Facts, part: string): Assessment {
  const { app, deploy, agent } = facts;
  if (app.kind === 'unknown') return untold();
  const own = app.value;
  if (own === undefined)
    return trouble(
      `its app ${part} is gone, or is somebody else's now: remove the instance, and add it again, under another name if that is refused`,
    );
  const lastDeploy = deploy.kind === 'known' ? deployOf(own, deploy.value) : undefined;
  const isDeploying = lastDeploy?.isRunning === true;
  const isNeverDeployed = deploy.kind === 'known' && lastDeploy === undefined;
  const deployError = lastDeploy?.error ?? '';
  // The units of a change under way are two for a while, of a first deploy none: what is known of it says which.
  const ready = own.units.filter(({ isReady }) => isReady);
  if (own.unitsError !== '') return trouble(`Tsuru cannot tell its units at present (${own.unitsError}): try again`);
  if (deploy.kind === 'unknown' && ready.length === 0) return untold();
  if (own.units.length === 0) return withoutUnits(own, deployError, isDeploying || isNeverDeployed);
  if (ready.length === 0) return isDeploying ? { kind: 'deploying' } : crashing(own);
  if (ready.length > 1 && deploy.kind === 'known' && !isDeploying) {
    const more = `it has ${ready.length} units, each with data of its own behind one address`;
    return trouble(`${more}: run "tsuru unit-remove ${ready.length - 1} -a ${part}"`);
  }
  if (deployError !== '') {
    return trouble(`the last deploy failed, an older version runs on: ${lastLine(deployError)}`);
  }
  switch (agent?.kind) {
    case undefined:
      return notAsked(facts);
    case 'refused':
      return trouble(`it does not take its own password: run "tsuru app-restart -a ${part}"`);
    case 'unknown':
      return untold();
    case 'silent':
      return isDeploying
        ? { kind: 'deploying' }
        : { kind: 'down', text: shortLine(`it does not answer (${agent.reason})`, LONGEST_TEXT) };
    case 'answered':
      return assessAgent(agent.status);
  }
}

function notAsked({ address, password }: Facts): Assessment {
  if (address === '') return trouble('it has no address at which it can be asked: does its pool have a router?');
  if (password.kind === 'unknown') return untold();
  return trouble('its app has lost its password: remove the instance, and add it again');
}

function withoutUnits({ name }: App, deployError: string, isComing: boolean): Assessment {
  if (isComing) return { kind: 'deploying' };
  if (deployError !== '') {
    return trouble(`its deploy failed: ${lastLine(deployError)}; remove it and add it again, or ask an administrator`);
  }
  return trouble(`it is stopped: run "tsuru app-start -a ${name}"`);
}

function crashing({ name, units }: App): Assessment {
  const reason = units.find((unit) => unit.reason !== '')?.reason ?? '';
  if (/oom/i.test(reason)) {
    return trouble(
      'its unit ran out of memory: choose a larger plan, or scrape less ("tsuru service-instance-update")',
    );
  }
  const why = reason === '' ? (units[0]?.status ?? 'unknown') : reason;
  return {
    kind: 'down',
    text: shortLine(`its unit is not ready (${why}): see "tsuru app-log -a ${name}"`, LONGEST_TEXT),
  };
}

function assessAgent({ problems, isReady, syncProblem }: AgentStatus): Assessment {
  const [first] = problems;
  if (first !== undefined) {
    const more = problems.length > 1 ? ` (and ${count(problems.length - 1, 'more problem')})` : '';
    return trouble(`${first}${more}`);
  }
  if (!isReady) return { kind: 'deploying' };
  // Out of sync for a moment is what every change is: the agent says when it lasts.
  if (syncProblem === '') return { kind: 'up' };
  return trouble(`Prometheus has not loaded the newest targets yet (${syncProblem}): it scrapes the ones before`);
}

function untold(): Assessment {
  return trouble('Tsuru cannot tell at present how it fares: try again');
}

function trouble(text: string): Assessment {
  return { kind: 'trouble', text: shortLine(text, LONGEST_TEXT) };
}

/** Tsuru's report of a deploy is many lines; the reason comes right after this head. */
function lastLine(error: string): string {
  const lines = error.split('\n').map((line) => line.trim());
  const head = lines.findIndex((line) => line.includes('ERROR during deploy'));
  return lines.slice(head + 1).find((line) => line !== '' && !line.startsWith('****')) ?? 'Tsuru does not say why';
}
