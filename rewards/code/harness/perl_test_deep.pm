package Test::Deep;
# The one function of the CPAN module that MultiPL-E's tests use: equality of nested arrays, hashes and scalars.
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(eq_deeply);

sub eq_deeply {
    my ($got, $wanted) = @_;
    return !defined $got && !defined $wanted if !defined $got || !defined $wanted;
    return 0 if ref $got ne ref $wanted;
    if (ref $got eq 'ARRAY') {
        return 0 if @$got != @$wanted;
        for my $i (0 .. $#$got) { return 0 if !eq_deeply($got->[$i], $wanted->[$i]); }
        return 1;
    }
    if (ref $got eq 'HASH') {
        return 0 if keys %$got != keys %$wanted;
        for my $key (keys %$wanted) { return 0 if !exists $got->{$key} || !eq_deeply($got->{$key}, $wanted->{$key}); }
        return 1;
    }
    return eq_deeply($$got, $$wanted) if ref $got eq 'SCALAR' || ref $got eq 'REF';
    return "$got" eq "$wanted" ? 1 : 0;
}

1;
