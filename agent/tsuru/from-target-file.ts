import type { Unit } from '../discovery/known-apps.ts';
import { UNIT_LABEL, validValue } from '../discovery/labels.ts';
import type { TargetGroup } from '../discovery/target-group.ts';

/**
 * The groups of units that are still there: those of the last target file stand until there are ports to make new ones of.
 *
 * Kept though they only matter when the saved state is damaged: to write nothing until all is known would let one app, of which Tsuru cannot report
 * the units for hours, keep the changes of all others from being scraped.
 */
export function unitsFromTargetFile(groups: readonly TargetGroup[], units: readonly Unit[]): readonly TargetGroup[] {
  const names = new Set(units.flatMap(({ name }) => (name === '' ? [] : [validValue(name)])));
  return groups.filter(({ targets, labels }) => {
    const unit = labels[UNIT_LABEL] ?? '';
    // Units without a name are called by their address, and those that share one have it added.
    return (
      names.has(unit) || targets.some((address) => unit === address || names.has(unit.replace(` (${address})`, '')))
    );
  });
}
