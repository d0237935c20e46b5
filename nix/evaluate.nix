# Evaluates what is here with nixpkgs' lib and stand-ins for the rest of NixOS. Everything comes out as
# data: what the module makes of a configuration, what the package installs, what the test does.
#
#   nix-instantiate --eval --strict --json nix/evaluate.nix -A module|package|test|flake \
#       --arg lib 'import PATH/lib' --arg settings '{ services.rban.enable = true; }'
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
    iproute2 = fake "iproute2";
    logrotate = fake "logrotate";
    sshpass = fake "sshpass";
    testers.runNixOSTest = lib.id;
    callPackage = path: _: fake (toString path);
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
    linkFarm = name: entries: fake name // { inherit entries; };
    runCommand =
      name: _: script:
      fake name // { inherit script; };
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
      networking.primaryIPAddress = mkOption {
        type = types.str;
        default = "192.0.2.1";
      };
      users = anything;
      networking.firewall.package = mkOption {
        type = types.package;
        default = fake "iptables";
      };
      services.fail2ban.enable = flag false;
      services.openssh.enable = flag true;
      services.openssh.ports = mkOption {
        type = types.listOf types.port;
        default = [ 22 ];
      };
      services.openssh.settings = anything;
      services.logrotate.enable = flag true;
      services.logrotate.settings = anything;
      services.logrotate.configFile = mkOption {
        type = types.str;
        default = "/nix/store/logrotate.conf";
      };
      systemd.packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      systemd.services = anything;
    };
  };

  evaluate =
    modules:
    lib.evalModules {
      modules = [
        standIns
        { _module.args.pkgs = pkgs; }
      ]
      ++ modules;
    };

  evaluated = evaluate [
    ./module.nix
    settings
  ];
  cfg = evaluated.config;
  inherit (evaluated.options.services) rban;
  # Options, also those within others, each with its type's name.
  described = lib.concatMapAttrs (
    name: value:
    if value ? _type then
      { ${name} = value.type.description or ""; }
    else
      lib.mapAttrs' (inner: option: {
        name = "${name}.${inner}";
        value = option.type.description;
      }) value
  );

  module = {
    options = described rban;
    values = {
      inherit (cfg.services.rban)
        banaction
        banaction-allports
        bantime
        daemonSettings
        extraPackages
        ignoreIP
        maxretry
        ;
      packageFirewall = toString cfg.services.rban.packageFirewall;
      increment = cfg.services.rban.bantime-increment;
    };
    jail = lib.mapAttrs (_: option: option.type.description) (
      removeAttrs (rban.jails.type.nestedTypes.elemType.nestedTypes.right.getSubOptions [ ]) [ "_module" ]
    );
    failed = map (one: one.message) (lib.filter (one: !one.assertion) cfg.assertions);
    inherit (cfg) warnings;
    etc = lib.attrNames cfg.environment.etc;
    # Their text; and the command that judges them before a system has them.
    files =
      let
        configuration = lib.head cfg.systemd.services.rban.reloadTriggers;
      in
      if cfg.services.rban.enable && configuration ? entries then
        lib.listToAttrs (map (file: lib.nameValuePair file.name file.path) configuration.entries)
      else
        { };
    check = if cfg.services.rban.enable then (lib.head cfg.systemd.services.rban.reloadTriggers).script or null else null;
    unit =
      if cfg.systemd.services ? rban then
        {
          inherit (cfg.systemd.services.rban)
            environment
            partOf
            serviceConfig
            wantedBy
            ;
          path = map toString cfg.systemd.services.rban.path;
        }
      else
        null;
    logrotate = cfg.services.logrotate.settings;
    sshd = cfg.services.openssh.settings;
  };

  # What nixpkgs' builder would be given; `kept` is the source it would see.
  package =
    let
      given = import ./package.nix {
        lib = lib // {
          cleanSourceWith = arguments: arguments;
        };
        rustPlatform.buildRustPackage = lib.id;
      };
      inside = builtins.readDir given.src.src;
    in
    {
      inherit (given)
        pname
        version
        postPatch
        installPhase
        cargoBuildFlags
        ;
      lock = builtins.pathExists given.cargoLock.lockFile;
      license = map (one: one.spdxId) given.meta.license;
      kept = lib.filter (name: given.src.filter (given.src.src + "/${name}") inside.${name}) (lib.attrNames inside);
    };

  # The machines as nodes of this NixOS, and what is done with them.
  test =
    let
      told = import ./test.nix { inherit pkgs; };
      nodes = lib.mapAttrs (_: node: (evaluate [ node ]).config) told.nodes;
    in
    {
      inherit (told) name;
      machines = lib.mapAttrs (_: node: {
        failed = map (one: one.message) (lib.filter (one: !one.assertion) node.assertions);
        inherit (node) warnings;
        nftables = node.networking.nftables.enable;
        rban = node.systemd.services ? rban;
      }) nodes;
      script = told.testScript { inherit nodes; };
    };

  flake =
    let
      outputs = (import ../flake.nix).outputs {
        self = outputs // { };
        nixpkgs = {
          inherit lib;
          legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (_: pkgs);
        };
      };
    in
    lib.mapAttrs (_: lib.attrNames) (removeAttrs outputs [ "overlays" ]);
in
{
  inherit module package test flake;
}
