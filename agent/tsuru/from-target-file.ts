import type { Unit } from '../discovery/known-apps.ts';
import { UNIT_LABEL, validValue } from '../discovery/labels.ts';
import type { TargetGroup } from '../discovery/target-group.ts';

/** The groups of units that are still there: held ones stand until there are ports to make new ones of. */
export function heldUnits(held: readonly TargetGroup[], units: readonly Unit[]): readonly TargetGroup[] {
  const names = new Set(units.flatMap(({ name }) => (name === '' ? [] : [validValue(name)])));
  return held.filter(({ targets, labels }) => {
    const unit = labels[UNIT_LABEL] ?? '';
    // Units without a name are called by their address, and those that share one have it added.
    return (
      names.has(unit) || targets.some((address) => unit === address || names.has(unit.replace(` (${address})`, '')))
    );
  });
}
