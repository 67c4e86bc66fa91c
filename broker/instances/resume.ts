import { asArray, asObject, parseJson } from '../../agent/shared/shape.ts';
import { errorText } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { ownerOf } from '../names.ts';
import { createApi } from '../tsuru/api.ts';
import { VARIABLES } from './instance.ts';

/** Deploys that a broker was to begin when it stopped: of instances that Tsuru knows, whose app is ready for it. */
export async function resumeDeploys(context: Context, signal: AbortSignal): Promise<void> {
  try {
    const api = createApi(context.tsuru, signal);
    const waiting = (await api.apps()).filter(
      ({ tags, units }) => ownerOf(tags)?.service === context.service && units.length === 0,
    );
    if (waiting.length === 0) return;
    const instances = await instancesOf(context, signal);
    for (const { name, tags } of waiting) {
      if (!instances.has(ownerOf(tags)?.instance ?? '')) continue;
      if ((await api.lastDeploy(name)) !== undefined) continue;
      if ((await api.env(name, [VARIABLES.token]))?.has(VARIABLES.token) !== true) continue;
      context.log.info({ app: name }, `${name} was never deployed: it is now`);
      await context.deploys.start(name, 'resumed at the start of the broker');
    }
  } catch (error) {
    if (signal.aborted) return;
    context.log.warn({ reason: errorText(error) }, 'whether deploys are to be resumed is not known');
  }
}

/** The names of the service's instances. Does not make Tsuru call this broker. */
async function instancesOf({ tsuru, service }: Context, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const { status, chunks } = await tsuru.get('instances', '/1.0/services/instances', signal);
  const services = status === 204 ? [] : asArray(parseJson(chunks), 'the list of services');
  return new Set(
    services
      .map((item) => asObject(item, 'a service'))
      .filter((item) => item['service'] === service)
      .flatMap(({ instances }) => asArray(instances ?? [], 'instances'))
      .filter((name) => typeof name === 'string'),
  );
}
