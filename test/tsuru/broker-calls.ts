// What tsurud asks of a service's broker, and what it makes of the answers.
import {
  bindAppBody,
  bindJobBody,
  createBody,
  plainBody,
  unbindAppBody,
  updateBody,
  type BoundApp,
  type BoundJob,
  type BrokerBody,
  type Requester,
} from './broker-bodies.ts';
import type { BrokerAnswer, BrokerClient } from './broker-client.ts';
import { goQuote } from './go.ts';
import { messageOf } from './http.ts';
import { infoOf, plansOf, textsOf, type ServicePlan } from './broker-json.ts';
import { findService, type Instance, type Service } from './services.ts';
import type { State } from './state.ts';

/** On whose behalf Tsuru calls. */
export interface Caused {
  readonly requestId: string | undefined;
  readonly requester: Requester;
}

type Variables = Readonly<Record<string, string>>;

export interface BrokerCalls {
  create(instance: Instance, caused: Caused): Promise<void>;
  /** Also fulfilled when the broker does not know the instance: what is not implemented is no error to Tsuru. */
  update(instance: Instance, caused: Caused): Promise<void>;
  remove(instance: Instance, caused: Caused): Promise<void>;
  /** The variables that the app gets. */
  bindApp(instance: Instance, app: BoundApp, parameters: Instance['parameters'], caused: Caused): Promise<Variables>;
  /** Also fulfilled when the broker does not know the instance. */
  unbindApp(instance: Instance, app: BoundApp, caused: Caused): Promise<void>;
  bindJob(instance: Instance, job: BoundJob, caused: Caused): Promise<Variables>;
  unbindJob(instance: Instance, job: string, caused: Caused): Promise<void>;
  status(instance: Instance, requestId: string | undefined): Promise<string>;
  /** Null when the broker has nothing to tell. */
  info(instance: Instance, requestId: string | undefined): Promise<Variables | null>;
  /** Null when the broker has none. */
  plans(service: Service, pool: string, requestId: string | undefined): Promise<readonly ServicePlan[] | null>;
}

const NOT_THERE = 'instance does not exist in the service API';
const EXISTS = 'instance already exists in the service API';
const NOT_READY = 'instance is not ready yet';

export function createBrokerCalls(client: BrokerClient, state: State): BrokerCalls {
  const resource = ({ name }: Instance, rest = ''): string => `/resources/${encodeURIComponent(name)}${rest}`;

  function get(instance: Instance, rest: string, requestId: string | undefined): Promise<BrokerAnswer> {
    const service = findService(state, instance.service);
    const path = resource(instance, rest);
    return client.call(service, { method: 'GET', path, pool: state.pools.get(instance.pool), requestId });
  }

  /** A change; whatever the network says is reported after the beginning of a sentence. */
  async function change(
    instance: Instance,
    [method, path]: readonly [method: string, path: string],
    body: BrokerBody,
    { requester, requestId }: Caused,
    failure: string,
  ): Promise<BrokerAnswer> {
    const service = findService(state, instance.service);
    try {
      return await client.call(service, {
        method,
        path,
        body,
        requester,
        pool: state.pools.get(instance.pool),
        requestId,
      });
    } catch (error) {
      throw new Error(`${failure}: ${messageOf(error)}`, { cause: error });
    }
  }

  return {
    async create(instance, caused) {
      const failure = `Failed to create the instance ${instance.name}`;
      const answer = await change(
        instance,
        ['POST', '/resources'],
        createBody(instance, caused.requester),
        caused,
        failure,
      );
      if (answer.status === 409) throw new Error(EXISTS);
      assertSuccess(answer, failure);
    },

    async update(instance, caused) {
      const failure = `Failed to update the instance ${instance.name}`;
      const body = updateBody(instance, caused.requester);
      const answer = await change(instance, ['PUT', resource(instance)], body, caused, failure);
      if (answer.status !== 404) assertSuccess(answer, failure);
    },

    async remove(instance, caused) {
      const failure = `Failed to destroy the instance ${instance.name}`;
      const answer = await change(
        instance,
        ['DELETE', resource(instance)],
        plainBody(caused.requester),
        caused,
        failure,
      );
      if (answer.status === 404) throw new Error(NOT_THERE);
      assertSuccess(answer, failure);
    },

    async bindApp(instance, app, parameters, caused) {
      const { name, service } = instance;
      const body = bindAppBody(app, parameters, caused.requester);
      const failure = `Failed to bind app ${goQuote(app.name)} to service instance "${service}/${name}"`;
      const post = (rest: string) => change(instance, ['POST', resource(instance, rest)], body, caused, failure);
      const first = await post('/bind-app');
      // The path of brokers from before tsuru 1.18.
      const answer = first.status === 404 ? await post('/bind') : first;
      if (answer.status === 412) throw new Error(NOT_READY);
      if (answer.status === 404) throw new Error(NOT_THERE);
      assertSuccess(answer, `Failed to bind the instance "${service}/${name}" to the app ${goQuote(app.name)}`);
      return textsOf(answer.body);
    },

    async unbindApp(instance, app, caused) {
      const path = resource(instance, '/bind-app');
      const failure = `Failed to unbind (${goQuote(path)})`;
      const answer = await change(instance, ['DELETE', path], unbindAppBody(app, caused.requester), caused, failure);
      if (answer.status !== 404) assertSuccess(answer, failure);
    },

    async bindJob(instance, job, caused) {
      const { name, service } = instance;
      const failure = `Failed to bind the instance "${service}/${name}" to the job ${goQuote(job.name)}`;
      const path = resource(instance, `/binds/jobs/${job.name}`);
      const answer = await change(instance, ['PUT', path], bindJobBody(job, caused.requester), caused, failure);
      if (answer.status === 412) throw new Error(NOT_READY);
      if (answer.status === 404) throw new Error(NOT_THERE);
      assertSuccess(answer, failure);
      return textsOf(answer.body);
    },

    async unbindJob(instance, job, caused) {
      const path = resource(instance, `/binds/jobs/${job}`);
      const failure = `Failed to unbind (${goQuote(path)})`;
      const answer = await change(instance, ['DELETE', path], plainBody(caused.requester), caused, failure);
      if (answer.status !== 404) assertSuccess(answer, failure);
    },

    async status(instance, requestId) {
      const failure = `Failed to get status of instance ${instance.name}`;
      const answer = await get(instance, '/status', requestId).catch((error: unknown) => {
        throw new Error(`${failure}: ${messageOf(error)}`, { cause: error });
      });
      const text = statusText(answer);
      if (text === undefined) throw invalidResponse(answer, failure);
      return text;
    },

    async info(instance, requestId) {
      const { status, body } = await get(instance, '', requestId);
      return status === 200 ? infoOf(body) : null;
    },

    async plans(service, pool, requestId) {
      const path = '/resources/plans';
      const { status, body } = await client.call(service, {
        ...{ method: 'GET', path, pool: state.pools.get(pool), requestId },
      });
      return status === 200 ? plansOf(body) : null;
    },
  };
}

function statusText({ status, body }: BrokerAnswer): string | undefined {
  switch (status) {
    case 200:
      return body;
    case 202:
      return 'pending';
    case 204:
      return 'up';
    case 404:
      return 'not implemented for this service';
    case 500:
      return 'down';
    default:
      return undefined;
  }
}

function assertSuccess(answer: BrokerAnswer, failure: string): void {
  if (answer.status >= 300) throw invalidResponse(answer, failure);
}

function invalidResponse({ status, body }: BrokerAnswer, failure: string): Error {
  return new Error(`${failure}: invalid response: ${body} (code: ${status})`);
}
