import type { Provisioner } from './provisioner.ts';
import type { State } from './state.ts';
import type { LivingUnit, Unit } from './units.ts';

/** What tests do to units behind Tsuru's back. */
export interface UnitControls {
  /** The units of an app, as they are now. */
  units(app: string): readonly Readonly<Unit>[];
  /** Ends a unit's process as `kill -9` would: Tsuru counts a restart. */
  kill(unit: string): void;
  /** Evicts a unit, as a node in need does; another one takes its place. */
  evict(unit: string): void;
  /** Makes the JSON of a unit say something else: `{Status: 'succeeded', Ready: null}`. */
  overrideUnit(unit: string, fields: Readonly<Record<string, unknown>>): void;
  /** Lists a one-off unit as `tsuru app run` starts, without a process name. */
  runIsolated(app: string): Readonly<Unit>;
}

export function createUnitControls(state: State, provisioner: Provisioner): UnitControls {
  function find(name: string): LivingUnit {
    const units = [...state.apps.values()].flatMap((app) => [...app.units]);
    const living = units.find(({ unit }) => unit.name === name);
    if (living === undefined) throw new Error(`there is no unit ${name}`);
    return living;
  }

  return {
    units: (app) => [...(state.apps.get(app)?.units ?? [])].map(({ unit }) => ({ ...unit })),
    kill: (unit) => {
      find(unit).kill();
    },
    evict: (name) => {
      const living = find(name);
      const app = state.apps.get(living.unit.app);
      if (app !== undefined) void provisioner.evict(app, living);
    },
    overrideUnit: (unit, fields) => {
      find(unit).unit.overrides = fields;
    },
    runIsolated: (name) => {
      const app = state.apps.get(name);
      if (app === undefined) throw new Error(`there is no app ${name}`);
      return provisioner.runIsolated(app).unit;
    },
  };
}
