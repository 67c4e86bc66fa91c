import { badRequest, conflict, forbidden, TsuruError } from '../errors.ts';
import { OK, type Route } from '../http.ts';
import { changeInstance, changeService } from '../service-changes.ts';
import { findInstance, findService, type Instance, type Service } from '../services.ts';
import type { World } from '../world.ts';

const ORPHANED =
  'You can not revoke the access from this team, because it is the unique team with access to this service, and a service can not be orphaned';

/** Which teams may use a service, and which an instance. */
export function accessRoutes(world: World): Route[] {
  const { state } = world;
  const service = (method: string, action: string, work: (service: Service, team: string) => void): Route => ({
    method,
    path: '/services/:service/team/:team',
    answer: (call) => {
      const found = findService(state, call.params['service'] ?? '');
      return changeService(world, call, `service.update.${action}`, found, () => {
        const team = call.params['team'] ?? '';
        if (!state.teams.includes(team)) throw badRequest('Team not found');
        work(found, team);
      });
    },
  });
  const instance = (method: string, action: string, work: (instance: Instance, team: string) => void): Route => ({
    method,
    path: '/services/:service/instances/permission/:instance/:team',
    answer: async (call) => {
      const found = findInstance(state, call.params['service'] ?? '', call.params['instance'] ?? '');
      await changeInstance(world, call, `service-instance.update.${action}`, found, (current) => {
        const team = call.params['team'] ?? '';
        if (!state.teams.includes(team)) throw new TsuruError('team not found');
        work(current, team);
        return Promise.resolve();
      });
      return OK;
    },
  });
  return [
    service('PUT', 'grant-access', (found, team) => {
      if (found.teams.includes(team)) throw conflict('This team already has access to this service');
      found.teams = [...found.teams, team];
    }),
    service('DELETE', 'revoke-access', (found, team) => {
      if (found.teams.length < 2) throw forbidden(ORPHANED);
      if (!found.teams.includes(team)) throw conflict('This team does not have access to this service');
      found.teams = found.teams.filter((name) => name !== team);
    }),
    instance('PUT', 'grant', (found, team) => {
      found.teams = [...new Set([...found.teams, team])];
    }),
    instance('DELETE', 'revoke', (found, team) => {
      if (found.teamOwner === team) throw new TsuruError("cannot revoke the instance's team owner access");
      found.teams = found.teams.filter((name) => name !== team);
    }),
  ];
}
