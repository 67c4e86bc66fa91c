import { parseJson } from '../../../agent/shared/shape.ts';
import { listNames } from '../../../agent/shared/text.ts';
import { TsuruError } from '../../../agent/shared/tsuru.ts';
import { good, namesOf, problem, type CheckOptions, type Finding } from './finding.ts';

/** Asks Tsuru for the service's plans, which asks a broker for them. */
export async function checkService(
  { context: { tsuru, plans, service } }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  let names: readonly string[];
  try {
    const path = `/1.0/services/${encodeURIComponent(service)}/plans`;
    const { chunks, status } = await tsuru.get('service_plans', path, signal);
    names = namesOf(status === 204 ? undefined : parseJson(chunks), 'Name');
  } catch (error) {
    if (!(error instanceof TsuruError)) throw error;
    return serviceProblem(error, service);
  }
  // Whatever a broker answers but plans, Tsuru lists none and says nothing more.
  if (names.length === 0) {
    return [
      problem(
        `Tsuru gets no plans of ${service} from its broker: the service's manifest has another user or password than the broker, or something else answers at its endpoint. Run "broker setup" again, or "tsuru service-update".`,
      ),
    ];
  }
  const own = plans.map(({ name }) => name);
  if (names.length === own.length && own.every((name) => names.includes(name))) {
    return [good(`Tsuru has the service ${service}, reaches its broker, and lists its plans: ${names.join(', ')}.`)];
  }
  return [
    problem(
      `The broker that Tsuru reaches offers other plans (${listNames(names, 10)}) than this configuration (${listNames(own, 10)}): deploy all brokers with the same BROKER_PLANS.`,
    ),
  ];
}

function serviceProblem(error: TsuruError, service: string): readonly Finding[] {
  const { failure, words } = error;
  if (failure === 'not_found') {
    return [problem(`Tsuru has no service ${service}: create it with "broker setup", or "tsuru service-create".`)];
  }
  // Of a service that makes instances in several clusters, Tsuru asks for a pool first.
  if (/provide the pool/i.test(words)) return [good(`Tsuru has the multi-cluster service ${service}.`)];
  if (failure === 'forbidden' || failure === 'unauthorized' || failure === 'network' || failure === 'timeout')
    throw error;
  return [
    problem(
      `Tsuru does not get the plans of ${service} from its broker (${words}): check the endpoint, the user and the password of the service's manifest, and that the broker runs.`,
    ),
  ];
}
