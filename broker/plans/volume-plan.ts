import type { Plan } from './plan.ts';

const MEMORY = 'Memory';

/**
 * Why a plan's data cannot be kept in its volume plan, with what helps; undefined if they can. `options` are those of the volume plan in
 * Tsuru's configuration, which count more than those of a volume; undefined: Tsuru has no such plan, and says so itself.
 */
export function unsuitableVolumePlan(
  { name, storage }: Plan,
  options: Readonly<Record<string, string>> | undefined,
): string | undefined {
  if (options === undefined) return undefined;
  const { kind, volumePlan } = storage;
  const { plugin = '', medium } = options;
  const start = `The plan ${name} cannot keep its data in the volume plan ${volumePlan}, which`;
  const isEmptyDir = plugin === 'emptyDir';
  if (kind === 'tmpfs') {
    if (!isEmptyDir) return `${start} has the plugin ${plugin}: storage of the kind tmpfs needs the plugin emptyDir.`;
    if (medium === undefined || medium === MEMORY) return undefined;
    return `${start} sets the medium "${medium}": storage of the kind tmpfs needs the medium ${MEMORY}.`;
  }
  if (plugin === 'ephemeral') return undefined;
  if (!isEmptyDir) {
    return `${start} has the plugin ${plugin}, a volume that all units share: storage of the kind ephemeral needs the plugin ephemeral.`;
  }
  return medium === MEMORY
    ? `${start} is in memory: set the kind of its storage to tmpfs.`
    : `${start} is an emptyDir on the node's disk, where Kubernetes evicts a unit above 100 MiB: use the plugin ephemeral, or the kind tmpfs.`;
}
