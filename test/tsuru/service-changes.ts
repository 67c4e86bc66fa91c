// Changes of services and instances, under their locks, which nobody waits for.
import { demand } from './callers.ts';
import type { TsuruEvent } from './events.ts';
import { OK, type Answer, type Call } from './http.ts';
import {
  findInstance,
  instanceContexts,
  instanceTarget,
  ownerContexts,
  serviceContexts,
  type Instance,
  type Service,
} from './services.ts';
import type { World } from './world.ts';

/** Only a restricted service asks who wants to know. */
export function assertAccess(service: Service, { caller }: Call, permission: string): void {
  if (service.isRestricted) demand(caller, permission, serviceContexts(service));
}

export async function changeService(
  { events }: World,
  { caller }: Call,
  kind: string,
  service: Service,
  work: (service: Service) => void,
): Promise<Answer> {
  demand(caller, kind, ownerContexts(service));
  await events.run({ kind, target: { type: 'service', value: service.name }, owner: caller.owner }, () => {
    work(service);
    return Promise.resolve();
  });
  return OK;
}

export async function changeInstance(
  world: World,
  { caller }: Call,
  kind: string,
  instance: Instance,
  work: (instance: Instance, event: TsuruEvent) => Promise<void>,
): Promise<void> {
  demand(caller, kind, instanceContexts(instance));
  const { service, name } = instance;
  await world.events.run({ kind, target: instanceTarget(service, name), owner: caller.owner }, (event) =>
    // It may have gone while this request came.
    work(findInstance(world.state, service, name), event),
  );
}
