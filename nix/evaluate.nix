# Evaluates the module with nixpkgs' lib and stand-ins for the rest of NixOS: the options it sets are
# there, and what it makes of them comes out as data. Given the lib's path and a configuration.
#
#   nix-instantiate --eval --strict --json nix/evaluate.nix --arg lib 'import PATH/lib' \
#       --arg settings '{ services.rban.enable = true; }'
{
  lib,
  settings ? { },
}:
let
  inherit (lib) mkOption types;
  anything = mkOption {
    type = types.attrsOf types.anything;
    default = { };
  };
  flag =
    default:
    mkOption {
      type = types.bool;
      inherit default;
    };

  # A derivation's place is taken by its text or a name.
  fake = name: {
    type = "derivation";
    inherit name;
    outPath = "/nix/store/${name}";
    meta.mainProgram = name;
  };
  iniAtom = types.nullOr (
    types.oneOf [
      types.bool
      types.int
      types.float
      types.str
    ]
  );
  pkgs = {
    rban = fake "rban";
    formats = {
      ini =
        { mkKeyValue, ... }:
        {
          type = types.attrsOf (types.attrsOf iniAtom);
          generate = _name: lib.generators.toINI { inherit mkKeyValue; };
        };
      keyValue = _: { type = types.attrsOf iniAtom; };
    };
    writeText = _name: text: text;
    # What is in the folder, to be taken out again below.
    linkFarm = _name: entries: builtins.toJSON entries;
    runCommand =
      name: _: script:
      "/nix/store/${name}";
  };

  standIns = {
    options = {
      assertions = mkOption {
        type = types.listOf types.anything;
        default = [ ];
      };
      warnings = mkOption {
        type = types.listOf types.str;
        default = [ ];
      };
      environment.systemPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      environment.etc = anything;
      networking.nftables.enable = flag false;
      networking.firewall.enable = flag true;
      networking.firewall.package = mkOption {
        type = types.package;
        default = fake "iptables";
      };
      services.fail2ban.enable = flag false;
      services.openssh.ports = mkOption {
        type = types.listOf types.port;
        default = [ 22 ];
      };
      services.openssh.settings = anything;
      services.logrotate.settings = anything;
      systemd.packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      systemd.services = anything;
    };
  };

  evaluated = lib.evalModules {
    modules = [
      ./module.nix
      standIns
      settings
      { _module.args.pkgs = pkgs; }
    ];
  };
  cfg = evaluated.config;
in
{
  options = lib.mapAttrs (_: option: option.type.description or "") (
    lib.filterAttrs (_: value: value ? _type) evaluated.options.services.rban
  );
  increments = lib.mapAttrs (
    _: option: option.type.description
  ) evaluated.options.services.rban.bantime-increment;
  failed = map (one: one.message) (lib.filter (one: !one.assertion) cfg.assertions);
  inherit (cfg) warnings;
  etc = lib.attrNames cfg.environment.etc;
  # The files' text; where they are checked, the check stands in their place.
  files =
    let
      source = cfg.environment.etc."fail2ban/jail.local".source;
    in
    if cfg.services.rban.enable && !cfg.services.rban.checkConfig then
      lib.listToAttrs (
        map (file: lib.nameValuePair file.name file.path) (
          builtins.fromJSON (lib.removeSuffix "/jail.local" source)
        )
      )
    else
      { };
  daemon = cfg.services.rban.daemonSettings;
  jails = lib.mapAttrs (_: jail: if lib.isAttrs jail then jail.settings else jail) cfg.services.rban.jails;
  unit =
    if cfg.systemd.services ? rban then
      { inherit (cfg.systemd.services.rban) environment serviceConfig; }
    else
      null;
  logrotate = cfg.services.logrotate.settings;
}
