import { BrokerError } from '../errors.ts';
import { bindApp, unbindApp } from '../instances/bind.ts';
import { createInstance } from '../instances/create.ts';
import { statusText } from '../instances/assess.ts';
import { instanceInfo, instanceStatus } from '../instances/info.ts';
import { removeInstance } from '../instances/remove.ts';
import { updateInstance } from '../instances/update.ts';
import { isInstanceName } from '../names.ts';
import { EVENT_KINDS, EVENTS_PATH, isAppName, isEventKind } from '../tsuru/webhook.ts';
import { BIND, CREATE, EVENT, UNBIND, UPDATE } from './bodies.ts';
import { GRAFANA_ROUTES } from './grafana-routes.ts';
import { assertName, INSTANCE, type Answer, type Asked, type Route } from './route.ts';

/** Where an instance of this name would be, Tsuru finds the plans. */
const NO_INSTANCE = 'plans';
const JOB = `${INSTANCE}/binds/jobs/:job`;

/** Everything that Tsuru asks of a service, or relays to it. */
export const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/resources/plans',
    summary: 'The plans',
    answers: { 200: 'names and descriptions' },
    isJson: true,
    answer: plans,
  },
  {
    method: 'POST',
    path: '/resources',
    summary: 'Create an instance',
    fields: CREATE,
    answers: { 201: 'created, or continued' },
    answer: create,
  },
  {
    method: 'GET',
    path: INSTANCE,
    summary: 'What users see of an instance',
    answers: { 200: 'labels and values' },
    isJson: true,
    answer: info,
  },
  {
    method: 'PUT',
    path: INSTANCE,
    summary: 'Update an instance',
    fields: UPDATE,
    answers: { 200: 'what was done' },
    answer: update,
  },
  {
    method: 'DELETE',
    path: INSTANCE,
    summary: 'Remove an instance',
    fields: {},
    answers: { 200: 'removed, or not there' },
    answer: remove,
  },
  {
    method: 'GET',
    path: `${INSTANCE}/status`,
    summary: 'The status of an instance',
    answers: {
      200: 'what is wrong; ends in "it is up" where it scrapes anyway',
      202: 'being deployed',
      204: 'up',
    },
    answer: status,
  },
  {
    method: 'POST',
    path: `${INSTANCE}/bind-app`,
    summary: 'Bind an app',
    fields: BIND,
    answers: { 201: 'variables for the app' },
    isJson: true,
    answer: bind,
  },
  {
    method: 'DELETE',
    path: `${INSTANCE}/bind-app`,
    summary: 'Unbind an app',
    fields: UNBIND,
    answers: { 200: 'unbound, or not bound' },
    answer: unbind,
  },
  {
    method: 'POST',
    path: `${INSTANCE}/bind`,
    summary: 'Bind an app (before Tsuru 1.18)',
    fields: BIND,
    answers: { 201: 'variables for the app' },
    isJson: true,
    answer: bind,
  },
  {
    method: 'DELETE',
    path: `${INSTANCE}/bind`,
    summary: 'Unbind an app (before Tsuru 1.18)',
    fields: UNBIND,
    answers: { 200: 'unbound, or not bound' },
    answer: unbind,
  },
  { method: 'PUT', path: JOB, summary: 'Bind a job, which is not possible', fields: {}, answers: {}, answer: bindJob },
  {
    method: 'DELETE',
    path: JOB,
    summary: 'Unbind a job',
    fields: {},
    answers: { 200: 'never bound' },
    answer: () => ({ status: 200, text: '' }),
  },
  ...GRAFANA_ROUTES,
  {
    method: 'POST',
    path: EVENTS_PATH,
    summary: 'Take an event of Tsuru, as the webhook of the service sends it',
    secret: 'events token',
    fields: EVENT,
    answers: { 202: 'the instances that the app is bound to are poked' },
    answer: takeEvent,
  },
];

function plans({ context }: Asked): Answer {
  return { status: 200, json: context.plans.map(({ name, description }) => ({ name, description })) };
}

async function create({ context, body, pool, requester }: Asked): Promise<Answer> {
  const { name = '', team = '', plan = '', parameters = {} } = body;
  if (name === NO_INSTANCE) {
    throw new BrokerError(400, `No instance can be called ${NO_INSTANCE}: choose another name.`);
  }
  await createInstance(context, { name: assertName(name), team, plan, parameters, pool }, requester);
  return { status: 201, text: '' };
}

async function info({ context, name }: Asked): Promise<Answer> {
  return { status: 200, json: isInstanceName(name) ? await instanceInfo(context, name) : [] };
}

async function update({ context, name, body, requester }: Asked): Promise<Answer> {
  const { team = '', plan = '', parameters = {} } = body;
  return { status: 200, text: await updateInstance(context, assertName(name), { team, plan, parameters }, requester) };
}

async function remove({ context, name, requester }: Asked): Promise<Answer> {
  // There is no instance of a name that Tsuru does not allow.
  if (isInstanceName(name)) await removeInstance(context, name, requester);
  return { status: 200, text: '' };
}

async function status({ context, name }: Asked): Promise<Answer> {
  if (!isInstanceName(name)) return { status: 200, text: 'not possible: no instance can have this name' };
  const assessment = await instanceStatus(context, name);
  switch (assessment.kind) {
    case 'up':
      return { status: 204, text: '' };
    case 'deploying':
      return { status: 202, text: 'it is being deployed' };
    default:
      // Never 500, of which users read "down" and nothing more.
      return { status: 200, text: statusText(assessment) };
  }
}

async function bind({ context, name, body, requester }: Asked): Promise<Answer> {
  const { app = '', pool = '', cluster = '', parameters = {} } = body;
  return { status: 201, json: await bindApp(context, assertName(name), { app, pool, cluster, parameters }, requester) };
}

async function unbind({ context, name, body, requester }: Asked): Promise<Answer> {
  if (isInstanceName(name)) await unbindApp(context, name, body.app ?? '', requester);
  return { status: 200, text: '' };
}

function bindJob(): never {
  throw new BrokerError(400, 'Jobs cannot be bound: their units end before they could be scraped; bind an app.');
}

function takeEvent({ context, body }: Asked): Answer {
  const { changedApp: app = '', kind = '' } = body;
  if (!isEventKind(kind)) {
    throw new BrokerError(400, `This kind of event is unknown: there are ${EVENT_KINDS.join(', ')}, and those below.`);
  }
  if (!isAppName(app)) throw new BrokerError(400, 'No app can have this name.');
  if (!context.takeEvent(app)) {
    throw new BrokerError(429, 'Too many events are waiting: the next polls bring this change.');
  }
  return { status: 202, text: '' };
}
