import type { Random } from '../random.ts';
import type { ServiceStage } from './stage.ts';
import { aPart, told, type ServiceStep } from './steps.ts';

type Part = NonNullable<Awaited<ReturnType<typeof aPart>>>;

function meddle(
  kind: string,
  weight: number,
  work: (stage: ServiceStage, part: Part, random: Random) => Promise<string | undefined>,
): ServiceStep {
  return {
    kind,
    weight,
    async take(stage, random) {
      const part = await aPart(stage, random);
      return part === undefined ? undefined : work(stage, part, random);
    },
  };
}

const ANNOTATIONS = ['settings', 'plan', 'instance', 'binds', 'accepted', 'bind-env'] as const;
const VARIABLES = ['TSURU_TOKEN', 'GATEWAY_USERNAME', 'GATEWAY_PASSWORD'];

/** What somebody with permissions does by hand to what belongs to instances. None of it restarts a unit. */
export const MEDDLING: readonly ServiceStep[] = [
  meddle('app removed', 2, async ({ admin, known }, { instance, part }) => {
    const state = known.get(instance.name);
    if (state !== undefined) state.mayRestart = true;
    return told(`the app ${part} removed`, await admin.call('DELETE', `/1.0/apps/${part}`));
  }),
  meddle('grant removed', 3, async ({ admin }, { instance, part }, random) => {
    const app = random.pick([part, ...[...instance.apps].sort()]);
    const path = `/1.6/roles/prometheus-reader/token/${part}?context=${app}`;
    return told(`the grant of ${app} taken from ${part}`, await admin.call('DELETE', path));
  }),
  meddle('grant added', 2, async ({ admin, userApps }, { part }, random) => {
    const form = { token_id: part, context: random.pick(userApps) };
    const reply = await admin.call('POST', '/1.6/roles/prometheus-reader/token', { form });
    return told(`${form.context} granted to ${part}`, reply);
  }),
  meddle('metadata edited', 4, async ({ admin }, { part }, random) => {
    const name = `prometheus-service/${random.pick(ANNOTATIONS)}`;
    const value = random.pick(['', '{}', 'nonsense', '{"retention":"1h"}']);
    const item = value === '' ? { name, delete: true } : { name, value };
    const json = { metadata: { annotations: [item] }, noRestart: true };
    return told(`${name}=${value} of ${part}`, await admin.call('PUT', `/1.0/apps/${part}`, { json }));
  }),
  meddle('tags replaced', 2, async ({ admin }, { part }) => {
    const json = { tags: ['of-the-team'], noRestart: true };
    return told(`the tags of ${part} replaced`, await admin.call('PUT', `/1.0/apps/${part}`, { json }));
  }),
  meddle('volume unbound', 2, async ({ admin }, { part }, random) => {
    const path = `/1.4/volumes/${part}/bind?App=${part}&MountPoint=%2Fprometheus&NoRestart=true`;
    const reply = await admin.call('DELETE', path);
    if (random.chance(0.5)) return told(`the volume ${part} unbound`, reply);
    return told(`the volume ${part} unbound and removed`, await admin.call('DELETE', `/1.4/volumes/${part}`));
  }),
  meddle('variable unset', 3, async ({ admin }, { part }, random) => {
    const name = random.pick(VARIABLES);
    const reply = await admin.call('DELETE', `/1.0/apps/${part}/env?env=${name}&noRestart=true`);
    return told(`${name} of ${part} unset`, reply);
  }),
  meddle('token deleted', 2, async ({ admin }, { part }) =>
    told(`the token ${part} deleted`, await admin.call('DELETE', `/1.6/tokens/${part}`)),
  ),
];
