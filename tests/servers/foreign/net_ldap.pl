# The client of tests/servers/foreign_program.py that is made with Net::LDAP.
use strict;
use warnings;

use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Net::LDAP;
use Net::LDAP::Constant qw(LDAP_CONTROL_PAGED);
use Net::LDAP::Control;
use Net::LDAP::Control::Paged;

$| = 1;
# A connection that the gateway has ended is to be an error, and not the end.
$SIG{PIPE} = 'IGNORE';
# What comes from Net::LDAP is octets, which go out as they are.
my $json = JSON::PP->new;
my $ldap;

my %do = (
    open     => \&open_connection,
    bind     => sub { my ($c) = @_; return ended($ldap->bind($c->{name}[0], password => $c->{password}[0])) },
    search   => \&search,
    searches => \&searches,
    abandon  => \&abandon,
    delete   => sub { my ($c) = @_; return ended($ldap->delete($c->{dn}[0])) },
    unbind   => sub { return ended($ldap->unbind) },
);

while (my $line = <STDIN>) {
    chomp $line;
    my %command;
    for my $pair (split /&/, $line) {
        my ($name, $value) = map { tr/+/ /; s/%(..)/chr hex $1/egr } split /=/, $pair, 2;
        push @{ $command{$name} }, $value;
    }
    print $json->encode($do{ $command{do}[0] }->(\%command)), "\n";
}

sub open_connection {
    my ($c) = @_;
    $ldap->disconnect if $ldap;
    my %tls = (verify => 'require', cafile => $c->{ca}[0]);
    $ldap = Net::LDAP->new($c->{url}[0], %tls) or return { error => "$@" };
    return $c->{starttls} ? ended($ldap->start_tls(%tls)) : { code => 0, message => '' };
}

sub ended {
    my ($message) = @_;
    my $code = $message->code;
    # Those from 80 on are Net::LDAP's own.
    return $code < 80 ? { code => $code, message => $message->error } : { error => $message->error };
}

sub asked {
    my ($c, $filter) = @_;
    my %deref = (0 => 'never', 1 => 'search', 2 => 'find', 3 => 'always');
    return (
        base   => $c->{base}[0],
        filter => $filter,
        scope  => $c->{scope}     ? $c->{scope}[0]                      : 'sub',
        $c->{attribute}           ? (attrs     => $c->{attribute})      : (),
        $c->{size}                ? (sizelimit => $c->{size}[0])        : (),
        $c->{time}                ? (timelimit => $c->{time}[0])        : (),
        $c->{deref}               ? (deref     => $deref{ $c->{deref}[0] }) : (),
        $c->{types}               ? (typesonly => 1)                    : (),
    );
}

sub search {
    my ($c) = @_;
    my (@entries, @references, @controls, $reply);
    my $page = $c->{page} && Net::LDAP::Control::Paged->new(size => $c->{page}[0], critical => 1);
    push @controls, $page if $page;
    if ($c->{control}) {
        push @controls, Net::LDAP::Control->new(type => $c->{control}[0], critical => $c->{critical} ? 1 : 0);
    }
    while (1) {
        my $found = $ldap->search(asked($c, $c->{filter}[0]), control => \@controls);
        $reply = ended($found);
        push @references, $found->references;
        for my $entry ($found->entries) {
            my %values;
            for my $name ($entry->attributes) {
                $values{$name} = [ map { encode_base64($_, '') } $entry->get_value($name) ];
            }
            push @entries, { dn => $entry->dn, attributes => \%values };
        }
        my ($answered) = $page ? $found->control(LDAP_CONTROL_PAGED) : ();
        last unless $answered && length $answered->cookie;
        $page->cookie($answered->cookie);
    }
    return { %$reply, entries => \@entries, references => \@references };
}

sub searches {
    my ($c) = @_;
    $ldap->async(1);
    my @running = map { $ldap->search(asked($c, $_)) } @{ $c->{filter} };
    $ldap->sync;
    $ldap->async(0);
    return { results => [ map { { %{ ended($_) }, names => [ map { $_->dn } $_->entries ] } } @running ] };
}

sub abandon {
    my ($c) = @_;
    $ldap->async(1);
    my $running = $ldap->search(asked($c, $c->{filter}[0]));
    $ldap->abandon($running);
    $ldap->async(0);
    return { code => 0, message => '' };
}
