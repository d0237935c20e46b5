# Two machines' SSH is attacked by a third, which they ban, the one with iptables and the other with
# nftables; logs rotate; the bans survive a reboot. Run by `nix flake check` where there is KVM.
{
  pkgs,
  module ? ./module.nix,
}:
pkgs.testers.runNixOSTest {
  name = "rban-ssh";

  nodes =
    let
      server = nftables: {
        imports = [ module ];
        networking.nftables.enable = nftables;
        services.openssh.enable = true;
        services.logrotate.enable = true;
        services.rban = {
          enable = true;
          bantime = "1h";
          maxretry = 3;
          daemonSettings.Definition.logtarget = "/var/log/fail2ban/fail2ban.log";
        };
        users.users.alice = {
          isNormalUser = true;
          password = "correct-horse";
        };
      };
    in
    {
      old = server false;
      new = server true;
      attacker = {
        environment.systemPackages = [ pkgs.sshpass ];
      };
    };

  # By address: names may lead to IPv6 first, and a ban is of the one that came.
  testScript =
    { nodes, ... }:
    ''
      attacker_address = "${nodes.attacker.networking.primaryIPAddress}"
      start_all()
      attacker.wait_for_unit("multi-user.target")
      for machine, address, rules, rotation in (
          (
              old,
              "${nodes.old.networking.primaryIPAddress}",
              "iptables-save",
              "${nodes.old.services.logrotate.configFile}",
          ),
          (
              new,
              "${nodes.new.networking.primaryIPAddress}",
              "nft list ruleset",
              "${nodes.new.services.logrotate.configFile}",
          ),
      ):
          with subtest(f"{rules}: attacked, banned"):
              machine.wait_for_unit("rban.service")
              machine.wait_for_unit("sshd.service")
              machine.wait_for_open_port(22)
              machine.succeed("rban status sshd")
              knock = f"timeout 5 bash -c '</dev/tcp/{address}/22'"
              login = (
                  "timeout 10 sshpass -p {} ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
                  f" -o PreferredAuthentications=password alice@{address} true"
              )
              attacker.succeed(login.format("correct-horse"))
              for _ in range(4):
                  attacker.execute(login.format("wrong"))
              machine.wait_until_succeeds(f"rban status sshd | grep -w {attacker_address}")
              machine.succeed(f"{rules} | grep -w {attacker_address}")
              attacker.fail(knock)

          with subtest(f"{rules}: logs rotate"):
              machine.succeed(f"${pkgs.logrotate}/bin/logrotate -f {rotation}")
              machine.succeed("ls /var/log/fail2ban/fail2ban.log?*")
              machine.succeed("rban client set sshd banip 192.0.2.200")
              machine.wait_until_succeeds("grep 'Ban 192.0.2.200' /var/log/fail2ban/fail2ban.log")

          with subtest(f"{rules}: rebooted, still banned"):
              machine.shutdown()
              machine.start()
              machine.wait_for_unit("rban.service")
              machine.wait_for_unit("sshd.service")
              machine.wait_until_succeeds(f"{rules} | grep -w {attacker_address}")
              attacker.fail(knock)
              machine.succeed(f"rban unban {attacker_address}")
              attacker.wait_until_succeeds(knock)
    '';
}
