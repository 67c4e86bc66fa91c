import { isProblem } from '../../agent/shared/status.ts';
import { listNames, shortLine } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { targetsIn, type AgentApp, type AgentStatus, type AgentUnit, type LeftOutUnit } from './agent-status.ts';
import { assess, problemsIn, type Assessment } from './assess.ts';
import { gatherFacts, type Facts } from './gather.ts';
import { imageText } from './image.ts';
import { notInForce } from './in-force.ts';
import { operationOn, planNameOf, within, type Operation } from './parts/instance.ts';
import { listProblems } from './problem.ts';

/** `tsuru service-info` asks one instance after another: each has 2 s. */
const INFO_LIMIT_MS = 1_600;
/** Only one instance is asked, and Tsuru asks a cluster for that, which may be slow. */
const STATUS_LIMIT_MS = 10_000;
/** Each label is a column of `tsuru service-info`. */
const MOST_CHARACTERS = 200;
const SHOWN_APPS = 10;
const SHOWN_PROBLEMS = 3;

export interface Label {
  readonly label: string;
  readonly value: string;
}

/** What users see of an instance: whatever could be learnt in time. */
export async function instanceInfo(context: Context, name: string): Promise<readonly Label[]> {
  const operation = operationOn(context, name, within(context, INFO_LIMIT_MS));
  return labelsOf(await gatherFacts(operation), operation);
}

/** The status of an instance. */
export async function instanceStatus(context: Context, name: string): Promise<Assessment> {
  const operation = operationOn(context, name, within(context, STATUS_LIMIT_MS));
  return assess(await gatherFacts(operation), operation.names.part, operation.id);
}

/** Labels that the client has itself (Apps, Plan, Status ...) would be there twice. */
function labelsOf(facts: Facts, { context, id, names: { part } }: Operation): readonly Label[] {
  const app = facts.app.kind === 'known' ? facts.app.value : undefined;
  const status = facts.agent?.kind === 'answered' ? facts.agent.status : undefined;
  const stored = facts.stored.kind === 'known' ? facts.stored.value : undefined;
  const password = facts.password.kind === 'known' ? facts.password.value : undefined;
  const values: readonly (readonly [string, string])[] = [
    ['Address', facts.address],
    ['App', app === undefined ? '' : part],
    ['In force', app === undefined ? '' : `${planText(planNameOf(app), app.plan)}${imageText(context.image, app)}`],
    ['Not in force', app === undefined || stored === undefined ? '' : notInForce(context.plans, id, app, stored)],
    ['Problems', problemsText(assess(facts, part, id), status)],
    ['Units up', appsText(facts.boundApps, status)],
    ['User and Password', password === undefined ? '' : `${facts.username} / ${password}`],
  ];
  return values
    .map(([label, value]) => ({ label, value: shortLine(value, MOST_CHARACTERS) }))
    .filter(({ value }) => value !== '');
}

function planText(plan: string, tsuruPlan: string): string {
  return plan === '' ? tsuruPlan : `${plan} (${tsuruPlan})`;
}

/** `my-app 3/3, other 0/2 !`: units that are up, of all that are scraped; `?/3` while nothing is known of their health. */
function appsText(bound: Facts['boundApps'], status: AgentStatus | undefined): string {
  if (bound.kind === 'unknown') return status === undefined ? '' : listNames(status.apps.map(appText), SHOWN_APPS);
  const told = new Map((status?.apps ?? []).map((app) => [app.name, app]));
  return listNames(
    bound.value.map((name) => {
      const app = told.get(name);
      return app === undefined ? name : appText(app);
    }),
    SHOWN_APPS,
  );
}

function appText({ name, units, unknown, problems }: AgentApp): string {
  const scraped = targetsIn(units);
  const up = scraped.filter(({ health }) => health === 'up').length;
  const down = scraped.filter(({ health }) => health === 'down').length;
  const isUnknown = scraped.length > 0 && up + down === 0;
  const isWell = unknown === undefined && down === 0 && problems.length === 0 && wronglyOut(units).length === 0;
  return `${name} ${isUnknown ? '?' : up}/${scraped.length}${isWell ? '' : ' !'}`;
}

function wronglyOut(units: readonly AgentUnit[]): readonly LeftOutUnit[] {
  return units.filter((unit) => 'leftOut' in unit).filter(({ reason }) => isProblem(reason));
}

function problemsText(assessment: Assessment, status: AgentStatus | undefined): string {
  const ofUnits = (status?.apps ?? []).flatMap(({ units, problems }) => [
    ...targetsIn(units)
      .filter(({ health }) => health === 'down')
      .map(({ unit, lastError = 'down' }) => `${unit}: ${lastError}`),
    ...wronglyOut(units).map(({ unit, leftOut }) => `${unit} is not scraped: ${leftOut}`),
    ...problems,
  ]);
  return listProblems([...problemsIn(assessment), ...ofUnits], SHOWN_PROBLEMS, MOST_CHARACTERS);
}
