// An instance as Tsuru shows it: each call has keys of its own.
import type { Instance } from './services.ts';
import type { World } from './world.ts';

/** In the list of all instances. */
export function listedJson(instance: Instance): Record<string, unknown> {
  const { name, service, plan, apps, jobs, teams, teamOwner, description, tags, parameters, pool } = instance;
  return {
    name,
    service_name: service,
    plan_name: plan,
    ...{ apps, jobs, teams, team_owner: teamOwner, description, tags },
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
    ...(pool === '' ? {} : { pool }),
  };
}

/** By itself. */
export function infoJson(
  { state }: World,
  instance: Instance,
  info: Readonly<Record<string, string>> | null,
  planDescription: string,
): Record<string, unknown> {
  const { apps, jobs, teams, teamOwner, description, plan, pool, tags, parameters } = instance;
  return {
    ...{ Apps: apps, Jobs: jobs, Teams: teams, TeamOwner: teamOwner, Description: description },
    ...{ PlanName: plan, PlanDescription: planDescription },
    ...{ Pool: pool, Cluster: state.pools.get(pool)?.cluster?.name ?? '' },
    ...{ CustomInfo: info, Tags: tags, Parameters: parameters },
  };
}

/** Among the instances of its service. */
export function instanceWithInfo(
  instance: Instance,
  info: Readonly<Record<string, string>> | null,
): Record<string, unknown> {
  return {
    Id: 0,
    Name: instance.name,
    Pool: instance.pool,
    Teams: instance.teams,
    PlanName: instance.plan,
    Apps: instance.apps,
    Jobs: instance.jobs,
    ServiceName: instance.service,
    Info: info,
    TeamOwner: instance.teamOwner,
  };
}
